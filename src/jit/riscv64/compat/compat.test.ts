import { describeCompat } from '../../../../test/support/lab-suite.ts';

describeCompat('riscv64', 94);
