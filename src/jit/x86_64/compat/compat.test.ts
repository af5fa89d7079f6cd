import { describeCompat } from '../../../../test/support/lab-suite.ts';

describeCompat('amd64', 94);
