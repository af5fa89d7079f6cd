import type { InterpStep } from '../../src/engine/index.ts';
import {
  baseType,
  helperDef,
  PTR_MAYBE_NULL,
  PTR_TO_CTX,
  PTR_TO_STACK,
  SCALAR_VALUE,
} from '../../src/helpers/index.ts';
import {
  BPF_ALU,
  BPF_ALU64,
  BPF_ATOMIC,
  BPF_CMPXCHG,
  BPF_END,
  BPF_JMP,
  BPF_JMP32,
  BPF_LDX,
  BPF_MOV,
  BPF_NEG,
  BPF_ST,
  BPF_STX,
  BPF_X,
  type Insn,
  MAX_BPF_STACK,
} from '../../src/isa/index.ts';
import { subHi } from '../../src/util/index.ts';
import { type Scalar, scalarHas } from '../../src/verifier/domain/index.ts';
import type { VerifierEnv } from '../../src/verifier/env.ts';
import type { VerifierObserver } from '../../src/verifier/index.ts';

/** What the verifier knew of one register an instruction reads. */
interface AbstractReg {
  readonly regno: number;
  readonly type: number;
  readonly off: number;
  readonly scalar: Scalar;
  /** Frames between the one in hand and the one a stack pointer points into. */
  readonly framesUp: number;
}

/** How many states back one is looked for among those recorded. */
const RECENT = 4;

/** Registers an instruction reads. Others may be dead, and then states say nothing of them. */
export function readRegisters(insn: Insn): number[] {
  const cls = insn.code & 7;
  const op = insn.code & 0xf0;
  const source = (insn.code & BPF_X) !== 0 ? [insn.src] : [];
  switch (cls) {
    case BPF_ALU:
    case BPF_ALU64:
      if (op === BPF_NEG || op === BPF_END) return [insn.dst];
      return op === BPF_MOV ? source : [insn.dst, ...source];
    case BPF_LDX:
      return [insn.src];
    case BPF_ST:
      return [insn.dst];
    case BPF_STX: {
      const isCmpxchg = (insn.code & 0xe0) === BPF_ATOMIC && insn.imm === BPF_CMPXCHG;
      return isCmpxchg ? [insn.dst, insn.src, 0] : [insn.dst, insn.src];
    }
    case BPF_JMP:
    case BPF_JMP32:
      if (op === 0x00) return [];
      if (op === 0x90) return [0];
      if (op === 0x80) {
        const args = insn.src === 0 ? (helperDef(insn.imm)?.proto.args.length ?? 0) : 0;
        return Array.from({ length: args }, (_, i) => i + 1);
      }
      // may_goto reads nothing.
      return op === 0xe0 ? [] : [insn.dst, ...source];
    default:
      return [];
  }
}

const same = (a: readonly AbstractReg[], b: readonly AbstractReg[]): boolean =>
  a.every((reg, i) => {
    const other = b[i];
    return (
      reg.type === other.type && reg.off === other.off && reg.scalar === other.scalar && reg.framesUp === other.framesUp
    );
  });

/** Remembers, by instruction, every state the verifier checked it in, as far as the registers it reads. */
export class AbstractStates implements VerifierObserver {
  readonly #reads: readonly (readonly number[])[];
  readonly #states: AbstractReg[][][];

  constructor(insns: readonly Insn[]) {
    this.#reads = insns.map(readRegisters);
    this.#states = insns.map(() => []);
  }

  beforeInsn(insnIdx: number, given: unknown): void {
    const env = given as VerifierEnv;
    const { curframe } = env.curState;
    const { regs } = env;
    const read = this.#reads[insnIdx].map((regno): AbstractReg => {
      const { type, off, scalar, frameno } = regs[regno];
      return { regno, type, off, scalar, framesUp: type === PTR_TO_STACK ? curframe - frameno : 0 };
    });
    const states = this.#states[insnIdx];
    // Most often it is as the last time; looking at all would take longer than the walk.
    for (let i = states.length - 1; i >= 0 && i >= states.length - RECENT; i--) if (same(states[i], read)) return;
    states.push(read);
  }

  /** Why no state of the verifier covers what is in the registers now; undefined where one does. */
  problem(step: InterpStep, ctxAddr: number): string | undefined {
    const states = this.#states[step.insnIdx];
    if (states.length === 0) return `instruction ${step.insnIdx} was never checked`;
    if (states.some(state => state.every(reg => covers(reg, step, ctxAddr)))) return undefined;
    const values = this.#reads[step.insnIdx].map(
      regno => `R${regno}=0x${hex(step.regs[2 * regno + 1])}${hex(step.regs[2 * regno])}`,
    );
    return `instruction ${step.insnIdx}: ${values.join(' ')} in none of ${states.length} states`;
  }
}

const hex = (half: number): string => (half >>> 0).toString(16).padStart(8, '0');

/** Whether the register has one of the values the verifier thought of. */
function covers({ regno, type, off, scalar, framesUp }: AbstractReg, { regs }: InterpStep, ctxAddr: number): boolean {
  const lo = regs[2 * regno];
  const hi = regs[2 * regno + 1];
  if (type === SCALAR_VALUE) return scalarHas(scalar, hi, lo);
  // Frames lie one below the other.
  const base = type === PTR_TO_STACK ? regs[20] + MAX_BPF_STACK * framesUp : type === PTR_TO_CTX ? ctxAddr : undefined;
  if (base !== undefined) {
    // What is moved far below its object is a negative number.
    const fixed = base + off;
    const start = Math.floor(fixed / 2 ** 32) | 0;
    return scalarHas(scalar, subHi(hi, lo, start, fixed | 0), (lo - fixed) | 0);
  }
  return (type & PTR_MAYBE_NULL) !== 0 || baseType(type) === 0 || (lo | hi) !== 0;
}
