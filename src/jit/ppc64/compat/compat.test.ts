import { describeCompat } from '../../../../test/support/lab-suite.ts';

describeCompat('ppc64el', 94);
