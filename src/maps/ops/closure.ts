import { CALL, type Insn, isPseudoCall, makeInsn, ProgramBuilder, R0 } from '../../isa/index.ts';
import type { ByteOrder } from '../../util/index.ts';
import { type MapOp, OpFunctions } from './code.ts';

/** An operation and every function it calls, itself first: a program of its own, or an addition to one. */
export interface MapOpProgram {
  readonly insns: readonly Insn[];
  /** Bytes of stack of each of its functions. */
  readonly stackDepths: readonly number[];
}

const FRAME_ALIGN_BYTES = 8;
const made = new Map<string, MapOpProgram>();

/**
 * The program of an operation; the same object each time.
 *
 * @param cpuAddr address of the word that holds the running CPU's number; without it, the helper is called
 */
export function mapOpProgram(op: MapOp, order: ByteOrder, cpuAddr?: number): MapOpProgram {
  const key = `${op} ${order} ${cpuAddr}`;
  let program = made.get(key);
  if (program === undefined) {
    program = extract(op, order);
    if (cpuAddr !== undefined) program = withCpu(program, cpuAddr);
    made.set(key, program);
  }
  return program;
}

const GET_SMP_PROCESSOR_ID = 8;

/** `bpf_get_smp_processor_id` where the number lies in the memory. */
export function cpuProgram(cpuAddr: number): MapOpProgram {
  return { insns: new ProgramBuilder().mov(R0, cpuAddr).load('w', R0, R0).exit().build(), stackDepths: [0] };
}

function withCpu(program: MapOpProgram, cpuAddr: number): MapOpProgram {
  const at = program.insns.length;
  const isCpu = ({ code, src, imm }: Insn): boolean => code === CALL && src === 0 && imm === GET_SMP_PROCESSOR_ID;
  if (!program.insns.some(isCpu)) return program;
  const cpu = cpuProgram(cpuAddr);
  const insns = program.insns.map((insn, slot) => (isCpu(insn) ? makeInsn(CALL, 0, 1, 0, at - slot - 1) : insn));
  return { insns: [...insns, ...cpu.insns], stackDepths: [...program.stackDepths, ...cpu.stackDepths] };
}

const functions = new Map<ByteOrder, OpFunctions>();

function extract(op: MapOp, order: ByteOrder): MapOpProgram {
  let all = functions.get(order);
  if (all === undefined) {
    all = new OpFunctions(order);
    functions.set(order, all);
  }
  const queue = [all.named(op)];
  const placed = new Map<number, number>();
  const out: Insn[] = [];
  const stackDepths: number[] = [];
  for (let i = 0; i < queue.length; i++) {
    const { start, insns } = queue[i];
    placed.set(start, out.length);
    insns.forEach((insn, slot) => {
      // Calls keep where they led to, in place of how far it is, until all functions have a place.
      const target = isPseudoCall(insn) ? start + slot + 1 + insn.imm : -1;
      out.push(target < 0 ? insn : makeInsn(CALL, 0, 1, 0, target));
      if (target >= 0 && !queue.some(func => func.start === target)) queue.push((all as OpFunctions).from(target));
    });
    stackDepths.push(stackDepth(insns));
  }
  const linked = out.map((insn, slot) =>
    isPseudoCall(insn) ? makeInsn(CALL, 0, 1, 0, (placed.get(insn.imm) ?? 0) - slot - 1) : insn,
  );
  return { insns: linked, stackDepths };
}

/** Compilers access their frames through R10 and constants alone. */
function stackDepth(insns: readonly Insn[]): number {
  let lowest = 0;
  for (const { code, dst, src, off } of insns) {
    const kind = code & 7;
    if ((kind === 1 && src === 10) || ((kind === 2 || kind === 3) && dst === 10)) lowest = Math.min(lowest, off);
  }
  return Math.ceil(-lowest / FRAME_ALIGN_BYTES) * FRAME_ALIGN_BYTES;
}
