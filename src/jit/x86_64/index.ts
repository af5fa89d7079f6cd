/** x86-64: x86-64-v1, and x86-64-v3 with BMI2 and MOVBE. */
export { X86_64 } from './target.ts';
