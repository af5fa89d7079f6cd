import { describeCompat } from '../../../../test/support/lab-suite.ts';

describeCompat('arm64', 94);
