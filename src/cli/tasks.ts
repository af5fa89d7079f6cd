import type { describeFile } from './object/describe-file.ts';
import type { verifyFile } from './verify/verify-file.ts';

/** Work that may be done on other threads: input and output are plain data. A row loads its code when it is first run. */
export const TASKS = {
  'obj-show': async (): Promise<typeof describeFile> => (await import('./object/describe-file.ts')).describeFile,
  'prog-verify': async (): Promise<typeof verifyFile> => (await import('./verify/verify-file.ts')).verifyFile,
};

export type TaskName = keyof typeof TASKS;
type Run<Name extends TaskName> = Awaited<ReturnType<(typeof TASKS)[Name]>>;
export type TaskInput<Name extends TaskName> = Parameters<Run<Name>>[0];
export type TaskOutput<Name extends TaskName> = Awaited<ReturnType<Run<Name>>>;
