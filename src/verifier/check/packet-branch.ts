import { PTR_TO_PACKET, PTR_TO_PACKET_END, PTR_TO_PACKET_META } from '../../helpers/index.ts';
import { BPF_JGE, BPF_JGT, BPF_JLE, BPF_JLT, BPF_JMP32, BPF_X, type Insn } from '../../isa/index.ts';
import { forEachRegInVstate } from '../state/each-reg.ts';
import { regIsInitPktPointer } from '../state/marks.ts';
import { type RegState, rangeInfo } from '../state/reg.ts';
import type { VerifierState } from '../state/verifier-state.ts';
import { markPktEnd } from './packet-pointers.ts';

/** Largest offset into a packet that is followed. */
export const MAX_PACKET_OFF = 0xffff;

/**
 * All pointers into the same packet with the same id may access as many bytes as `dstReg` was compared for.
 *
 * @param rangeRightOpen the byte at `dstReg` is inside too
 * Source: `find_good_pkt_pointers`.
 */
export function findGoodPktPointers(
  vstate: VerifierState,
  dstReg: RegState,
  type: number,
  rangeRightOpen: boolean,
): void {
  const { off, id } = dstReg;
  if (off < 0 || (off === 0 && rangeRightOpen)) return;
  const { umaxHi, umaxLo } = dstReg.scalar;
  if (umaxHi !== 0 || umaxLo >>> 0 > MAX_PACKET_OFF || umaxLo + off > MAX_PACKET_OFF) return;
  const range = rangeRightOpen ? off + 1 : off;
  forEachRegInVstate(vstate, (_frame, reg) => {
    if (reg.type === type && reg.id === id && reg.info.range < range) reg.info = rangeInfo(range);
  });
}

/** `pointer op end`: whether the fall-through is the way on which it is inside, and whether its own byte is. */
interface PacketTest {
  readonly insideFallsThrough: boolean;
  readonly rangeRightOpen: boolean;
}
/** `end op pointer` is the other way round in both. */
const TESTS: ReadonlyMap<number, PacketTest> = new Map([
  [BPF_JGT, { insideFallsThrough: true, rangeRightOpen: false }],
  [BPF_JLT, { insideFallsThrough: false, rangeRightOpen: true }],
  [BPF_JGE, { insideFallsThrough: true, rangeRightOpen: true }],
  [BPF_JLE, { insideFallsThrough: false, rangeRightOpen: false }],
]);

/** Whether `reg` lies before `limit`: packet and its end, metadata and the packet. */
const isBefore = (reg: RegState, limit: RegState): boolean =>
  (reg.type === PTR_TO_PACKET && limit.type === PTR_TO_PACKET_END) ||
  (reg.type === PTR_TO_PACKET_META && regIsInitPktPointer(limit, PTR_TO_PACKET));

/**
 * Learns from a comparison of a packet pointer with the end.
 *
 * @returns false if the comparison is none
 * Source: `try_match_pkt_pointers`.
 */
export function tryMatchPktPointers(
  insn: Insn,
  dstReg: RegState,
  srcReg: RegState,
  thisBranch: VerifierState,
  otherBranch: VerifierState,
): boolean {
  if ((insn.code & BPF_X) === 0 || (insn.code & 0x07) === BPF_JMP32) return false;
  const test = TESTS.get(insn.code & 0xf0);
  if (test === undefined) return false;
  let { insideFallsThrough, rangeRightOpen } = test;
  let reg = dstReg;
  let regno = insn.dst;
  if (!isBefore(dstReg, srcReg)) {
    if (!isBefore(srcReg, dstReg)) return false;
    insideFallsThrough = !insideFallsThrough;
    rangeRightOpen = !rangeRightOpen;
    reg = srcReg;
    regno = insn.src;
  }
  findGoodPktPointers(insideFallsThrough ? thisBranch : otherBranch, reg, reg.type, rangeRightOpen);
  markPktEnd(insideFallsThrough ? otherBranch : thisBranch, regno, !rangeRightOpen);
  return true;
}
