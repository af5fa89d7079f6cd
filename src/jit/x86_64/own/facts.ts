import { BPF_JMP, BPF_JMP32, CALL, EXIT, type Insn, LD_IMM64, TAIL_CALL } from '../../../isa/index.ts';
import { ERRNO } from '../../../uapi/index.ts';
import type { Room } from '../../room.ts';
import { type FuncInput, JitError } from '../../types.ts';
import { effectOf, OP_END } from './effect.ts';

/** What a look over a function's instructions tells. */
export interface Facts {
  /** By slot: somebody jumps here, or the slot before does not fall through. */
  readonly leaders: Uint8Array;
  /** By slot: somebody jumps back here. */
  readonly loopHeads: Uint8Array;
  readonly loops: boolean;
  /** Slot a jump of this slot ends at, through jumps it meets; -1 for other slots. */
  readonly targets: Int32Array;
  /** BPF registers it names, a bit each. */
  readonly used: number;
  readonly calls: boolean;
  /** How many there are. */
  readonly tailCalls: number;
  /** It reaches into an arena. */
  readonly arena: boolean;
  /** Slot of its last exit, -1 for none. */
  readonly lastExit: number;
  /** It shifts by registers or divides: what is free there is worth knowing. */
  readonly wantsFree: boolean;
}

/** Codes of the highest modes: PROBE_MEM32, PROBE_MEM32SX, PROBE_ATOMIC. */
const isArenaAccess = (code: number): boolean => (code & 7) < 4 && (code & 7) > 0 && (code & 0xe0) >= 0xa0;

export function unsupported(insn: Insn, slot: number): JitError {
  const code = insn.code.toString(16).padStart(2, '0');
  return new JitError(ERRNO.ENOTSUPP, `eBPF filter opcode ${code} (@${slot}) unsupported`);
}

/** Where a jump of slot `i` over `distance` ends. */
function targetOf(insns: readonly Insn[], i: number, distance: number): number {
  let at = i + 1 + distance;
  for (let hops = 0; hops < 8; hops++) {
    const insn = insns[at];
    if (insn === undefined) break;
    if (insn.code === BPF_JMP) at += 1 + insn.off;
    else if (insn.code === BPF_JMP32) at += 1 + insn.imm;
    else break;
  }
  if (at < 0 || at >= insns.length) throw new JitError(ERRNO.EINVAL, `jump out of range from insn ${i} to ${at}`);
  return at;
}

/** R10 may be read and never written; 12 to 15 are no registers. */
function checkRegisters(insn: Insn, slot: number): number {
  const effect = effectOf(insn);
  if (((effect | (effect >>> 16)) & 0xf000) !== 0 || (effect & (1 << 26)) !== 0) throw unsupported(insn, slot);
  return effect;
}

/**
 * Throws JitError for registers there are none of and jumps that leave the function.
 *
 * @param kept where the columns live
 */
export function factsOf({ insns }: FuncInput, kept: Room): Facts {
  const n = insns.length;
  const leaders = kept.bytes(n + 1);
  const loopHeads = kept.bytes(n + 1);
  const targets = kept.ints(n, -1);
  let used = 0;
  let calls = false;
  let tailCalls = 0;
  let arena = false;
  let loops = false;
  let wantsFree = false;
  let lastExit = -1;
  for (let i = 0; i < n; i++) {
    const insn = insns[i];
    const { code } = insn;
    const effect = checkRegisters(insn, i);
    if (code === CALL) calls = true;
    else used |= effect | (effect >>> 16);
    switch (code & 7) {
      case BPF_JMP:
      case BPF_JMP32:
        if (code === EXIT) {
          lastExit = i;
          leaders[i + 1] = 1;
        } else if (code === TAIL_CALL) tailCalls++;
        else if (code !== CALL) {
          const target = targetOf(insns, i, code === BPF_JMP32 ? insn.imm : insn.off);
          targets[i] = target;
          leaders[target] = 1;
          if (target <= i) {
            loopHeads[target] = 1;
            loops = true;
          }
          if (code >> 4 === 0) leaders[i + 1] = 1;
        }
        break;
      case 0:
        if (code !== LD_IMM64 || i + 1 === n) throw unsupported(insn, i);
        i++;
        break;
      case 4:
      case 7: {
        const op = code >> 4;
        if (op > OP_END) throw unsupported(insn, i);
        wantsFree ||= op === 3 || op === 9 || ((op === 6 || op === 7 || op === 12) && (code & 8) !== 0);
        break;
      }
      default:
        arena ||= isArenaAccess(code);
    }
  }
  return { leaders, loopHeads, loops, targets, used: used & 0xfff, calls, tailCalls, arena, lastExit, wantsFree };
}
