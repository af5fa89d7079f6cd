/** Functions as rows of three operands, with what jumps where and what is live: nothing in here knows a CPU. */
export { bitLength, isBelowPower, rotlHi, rotlLo } from './bits.ts';
export { type Blocks, blockAt, findBlocks, loopHeads } from './blocks.ts';
export { decode, decodeUnfixed, type IsMask, setMask, setOperation } from './decode.ts';
export * as ir from './ir.ts';
export { BOTH, isDead, LOW, liveBefore, liveIn, liveOut, liveThrough, readsRegister } from './liveness.ts';
export { spreadBack } from './spread.ts';
