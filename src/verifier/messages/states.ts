import { plain, row } from './row.ts';

/** States of the walk: registers used, paths put aside, precision traced back. See `structure.ts`. */
export const STATES_MESSAGES = {
  // reg_bounds_sanity_check

  // __check_reg_arg
  regInvalid: row('EINVAL', (regno: number) => `R${regno} is invalid`),
  regReadOk: row('EACCES', (regno: number) => `R${regno} !read_ok`),
  framePointerReadOnly: plain('EACCES', 'frame pointer is read only'),

  // push_stack, push_async_cb
  jumpsTooComplex: row('EFAULT', (count: number) => `The sequence of ${count} jumps is too complex.`),
  jumpsTooComplexAsync: row('EFAULT', (count: number) => `The sequence of ${count} jumps is too complex for async cb.`),

  // backtrack_insn, __mark_chain_precision
  backtrackRegs: row('EFAULT', (mask: number) => `BUG regs ${mask.toString(16)}`),
  backtrackSlots: row('EFAULT', (mask: string) => `BUG stack slots ${mask}`),
  backtrackEnter: row('EFAULT', (frame: number) => `BUG subprog enter from frame ${frame}`),
  backtrackExit: plain('EFAULT', 'BUG subprog exit from frame 0'),
  backtrackIdx: row('EFAULT', (idx: number) => `BUG backtracking idx ${idx}`),
  backtrackEntry: row(
    'EFAULT',
    (subprogno: number, regs: number, slots: string) =>
      `BUG backtracking func entry subprog ${subprogno} reg_mask ${regs.toString(16)} stack_mask ${slots}`,
  ),
  backtrackSlot: row(
    'EFAULT',
    (spi: number, count: number) => `BUG backtracking (stack slot ${spi}, total slots ${count})`,
  ),

  // is_state_visited
  infiniteLoop: row('EINVAL', (idx: number) => `infinite loop detected at insn ${idx}`),
} as const;
