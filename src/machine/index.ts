/** The running system: maps and programs in one linear memory, test runs, clock, trace pipe, events. */
export { type Clock, HostClock, StepClock } from './clock.ts';
export * from './dump/index.ts';
export { createMachine, type Machine } from './machine.ts';
export type * from './types.ts';
