import {
  type AluOp,
  BPF_ALU,
  BPF_JMP32,
  findInsnDef,
  type Insn,
  type InsnDef,
  type JumpOp,
} from '../../src/isa/index.ts';
import {
  boundsViolation,
  fitsBelowSign,
  forkCase,
  forkWidth,
  isBranchTaken,
  isConst,
  isOffsetTainted,
  pointerOffsetKept,
  pointerOffsetMoved,
  rangeTexts,
  refineBranch,
  SCALAR_UNKNOWN,
  type Scalar,
  scalarAlu,
  scalarKnown,
  scalarOffset,
  scalarOfInt32,
  scalarSext32,
  scalarSext64,
  scalarText,
  scalarTruncate,
  scalarUnbounded,
  scalarWidth,
  scalarZext32,
  signedText,
  tnumIsUnknown,
  tnumText,
  violationText,
} from '../../src/verifier/domain/index.ts';

/** A register of the walk: a number or a pointer. */
interface WalkReg {
  readonly num: Scalar;
  readonly id: number;
  /** Distance to the registers of the same id; undefined: it is one of them. */
  readonly delta?: number;
  /** A pointer into the map's value: `num` is its variable part, this the fixed one. */
  readonly fixed?: number;
}

interface Path {
  readonly regs: (WalkReg | undefined)[];
  pc: number;
  /** The instruction it comes from. */
  from: number;
}

const LINKED_MOST = 6;
const clone = (path: Path): Path => ({ ...path, regs: [...path.regs] });
const plain = (num: Scalar): WalkReg => ({ num, id: 0 });
const asSize = (bytes: number): 1 | 2 | 4 => bytes as 1 | 2 | 4;

/**
 * Follows a program of loads, arithmetic and forward branches over `src/verifier/domain`, depth first and the fall-through
 * first as Linux does. Prunes nothing. Of pointers it follows
 * those into the map's value.
 */
export class ScalarWalk {
  readonly #insns: readonly Insn[];
  readonly #pending: Path[] = [];
  #ids = 0;
  path: Path | undefined;
  /** Contradictions found since they were last taken, as the log says them. */
  violations: string[] = [];

  constructor(insns: readonly Insn[]) {
    this.#insns = insns;
    this.path = { regs: new Array(11).fill(undefined), pc: 0, from: 0 };
  }

  /** What the log says of a register; undefined for one that is not followed. */
  text(n: number): string | undefined {
    const reg = this.path?.regs[n];
    if (reg === undefined) return undefined;
    return reg.fixed === undefined ? scalarText(reg.num, reg.id, reg.delta) : pointerText(reg.num, reg.fixed);
  }

  number(n: number): Scalar | undefined {
    return this.path?.regs[n]?.num;
  }

  /** Leaves the path, as at an exit or where the kernel found the state to be one it knew. */
  next(): void {
    this.path = this.#pending.pop();
  }

  /** One instruction. */
  step(): void {
    const path = this.path;
    if (path === undefined) throw new Error('no path is left');
    const at = path.pc;
    const insn = this.#insns[at];
    const def = findInsnDef(insn);
    if (def === undefined) throw new Error(`no instruction at ${at}`);
    path.from = at;
    path.pc = at + def.slots;
    const { regs } = path;
    switch (def.kind) {
      case 'ld_imm64':
        // r0 points to the map's value in these programs.
        regs[insn.dst] =
          insn.dst === 0
            ? { num: scalarKnown(0, 0), id: 0, fixed: 0 }
            : plain(scalarKnown(this.#insns[at + 1].imm, insn.imm));
        return;
      case 'ldx':
        regs[insn.dst] = plain(
          def.sizeBytes === 8 ? SCALAR_UNKNOWN : scalarTruncate(SCALAR_UNKNOWN, asSize(def.sizeBytes)),
        );
        return;
      case 'ldxs':
        regs[insn.dst] = plain(scalarSext64(SCALAR_UNKNOWN, asSize(def.sizeBytes)));
        return;
      case 'neg':
      case 'end':
        regs[insn.dst] = plain(SCALAR_UNKNOWN);
        return;
      case 'movsx':
        this.#moveSigned(path, insn, def);
        return;
      case 'alu':
        if (def.op === 'mov') this.#move(path, insn, def);
        else this.#arithmetic(path, insn, def);
        return;
      case 'ja':
        path.pc += insn.off;
        return;
      case 'jcond':
        this.#branch(path, insn, def);
        return;
      case 'exit':
        this.next();
        return;
      default:
        throw new Error(`the walk knows no ${def.name}`);
    }
  }

  #checked(num: Scalar, where: string): Scalar {
    const violation = boundsViolation(num);
    if (violation === undefined) return num;
    this.violations.push(violationText(where, violation, num));
    return scalarUnbounded(num);
  }

  /** `assign_scalar_id_before_mov` */
  #linked(path: Path, n: number): WalkReg | undefined {
    let reg = path.regs[n];
    if (reg === undefined) return undefined;
    if (reg.delta !== undefined) reg = plain(reg.num);
    if (reg.id === 0 && !isConst(reg.num)) reg = { num: reg.num, id: ++this.#ids };
    path.regs[n] = reg;
    return reg;
  }

  #move(path: Path, insn: Insn, def: InsnDef): void {
    const { regs } = path;
    const narrow = def.bits === 32;
    if (def.source === 'imm') {
      regs[insn.dst] = plain(narrow ? scalarKnown(0, insn.imm) : scalarOfInt32(insn.imm));
      return;
    }
    const source = regs[insn.src];
    if (source === undefined || source.fixed !== undefined) {
      regs[insn.dst] = source;
      return;
    }
    const same = !narrow || scalarWidth(source.num) <= 32;
    const reg = same ? this.#linked(path, insn.src)! : plain(source.num);
    const num = narrow ? scalarZext32(reg.num) : reg.num;
    regs[insn.dst] = { ...reg, num: this.#checked(num, 'alu') };
  }

  #moveSigned(path: Path, insn: Insn, def: InsnDef): void {
    const source = path.regs[insn.src];
    if (source === undefined) throw new Error('a sign extension of a pointer');
    const bytes = asSize(def.sizeBytes);
    const reg = fitsBelowSign(source.num, bytes * 8) ? this.#linked(path, insn.src)! : plain(source.num);
    const num = def.bits === 64 ? scalarSext64(reg.num, bytes) : scalarSext32(reg.num, bytes === 4 ? 2 : bytes);
    path.regs[insn.dst] = { ...reg, num: this.#checked(num, 'alu') };
  }

  #arithmetic(path: Path, insn: Insn, def: InsnDef): void {
    const { regs } = path;
    const dst = regs[insn.dst];
    const src = def.source === 'reg' ? regs[insn.src]?.num : scalarOfInt32(insn.imm);
    if (dst === undefined || src === undefined) throw new Error('arithmetic on a pointer');
    if (dst.fixed !== undefined) {
      regs[insn.dst] = movePointer(def.op as 'add' | 'sub', dst.num, dst.fixed, src);
      return;
    }
    let { num } = dst;
    const width = forkWidth(def.op as AluOp, num, src);
    if (width !== 0) {
      const again = clone(path);
      again.pc = path.from;
      const zero = forkCase(num, width, 0);
      again.regs[insn.dst] = width === 64 ? plain(zero) : { ...dst, num: zero };
      this.#pending.push(again);
      num = forkCase(num, width, -1);
    }
    const result = this.#checked(scalarAlu(def.op as AluOp, def.bits, num, src), 'alu');
    // `adjust_reg_min_max_vals`: a 64-bit addition of a constant keeps the link, once.
    const id = width === 64 ? 0 : dst.id;
    const keeps =
      def.op === 'add' &&
      (insn.code & 7) !== BPF_ALU &&
      id !== 0 &&
      isConst(src) &&
      !(def.source === 'reg' && insn.src === insn.dst) &&
      dst.delta === undefined &&
      src.valueHi === 0 &&
      src.valueLo >= 0;
    regs[insn.dst] = keeps ? { num: result, id, delta: src.valueLo } : plain(result);
  }

  #branch(path: Path, insn: Insn, def: InsnDef): void {
    const a = path.regs[insn.dst];
    const b = def.source === 'reg' ? path.regs[insn.src] : plain(scalarOfInt32(insn.imm));
    if (a === undefined || b === undefined) throw new Error('a branch on a pointer');
    const bits = (insn.code & 7) === BPF_JMP32 ? 32 : 64;
    const op = def.op as JumpOp;
    const taken = isBranchTaken(op, bits, a.num, b.num);
    if (taken >= 0) {
      if (taken === 1) path.pc += insn.off;
      return;
    }
    const byReg = def.source === 'reg';
    const linked: number[] = [];
    if (byReg && b.id !== 0) collectLinked(path, b.id, linked);
    if (a.id !== 0) collectLinked(path, path.regs[insn.dst]!.id || a.id, linked);
    const other = clone(path);
    other.pc += insn.off;
    this.#pending.push(other);
    const out = refineBranch(op, bits, a.num, b.num, byReg && insn.src === insn.dst);
    for (const { side, violation, scalar } of out.violations)
      this.violations.push(violationText(side, violation, scalar));
    const learn = (to: Path, dst: Scalar, src: Scalar): void => {
      to.regs[insn.dst] = { ...to.regs[insn.dst]!, num: dst };
      if (byReg) to.regs[insn.src] = { ...to.regs[insn.src]!, num: src };
    };
    learn(other, out.trueA, out.trueB);
    learn(path, out.falseA, out.falseB);
    if (byReg && path.regs[insn.src]!.id !== 0) {
      syncLinked(path, insn.src, linked);
      syncLinked(other, insn.src, linked);
    }
    if (path.regs[insn.dst]!.id !== 0) {
      syncLinked(path, insn.dst, linked);
      syncLinked(other, insn.dst, linked);
    }
  }
}

/** `adjust_ptr_min_max_vals` */
function movePointer(op: 'add' | 'sub', num: Scalar, fixed: number, by: Scalar): WalkReg {
  if (isOffsetTainted(by)) return plain(SCALAR_UNKNOWN);
  const sum = op === 'add' ? fixed + by.valueLo : fixed - by.valueLo;
  // Constants beyond 32 bits are refused, so that the low half is all of it.
  if (isConst(by) && sum === (sum | 0)) return { num: pointerOffsetKept(num), id: 0, fixed: sum };
  return { num: pointerOffsetMoved(op, num, by), id: 0, fixed };
}

/** What `print_reg_state` says of a pointer into the one map of these programs. */
function pointerText(num: Scalar, fixed: number): string {
  const parts = ['map=m', 'ks=4', 'vs=64'];
  if (fixed !== 0) parts.push(`off=${signedText(fixed >> 31, fixed)}`);
  if (isConst(num)) {
    if ((num.valueHi | num.valueLo) !== 0) parts.push(`imm=${signedText(num.valueHi, num.valueLo)}`);
  } else {
    parts.push(...rangeTexts(num));
    if (!tnumIsUnknown(num)) parts.push(`var_off=${tnumText(num)}`);
  }
  return `map_value(${parts.join(',')})`;
}

/** `collect_linked_regs`: those beyond the most that can be remembered lose their link. */
function collectLinked(path: Path, id: number, linked: number[]): void {
  for (let n = 0; n < 10; n++) {
    const reg = path.regs[n];
    if (reg === undefined || reg.id !== id) continue;
    if (linked.length < LINKED_MOST) linked.push(n);
    else path.regs[n] = plain(reg.num);
  }
}

/** `sync_linked_regs` */
function syncLinked(path: Path, knownAt: number, linked: readonly number[]): void {
  const known = path.regs[knownAt]!;
  for (const n of linked) {
    const reg = path.regs[n];
    if (reg === undefined || n === knownAt || reg.id !== known.id) continue;
    if ((reg.delta === undefined && known.delta === undefined) || (reg.delta ?? 0) === (known.delta ?? 0))
      path.regs[n] = known;
    else path.regs[n] = { ...reg, num: scalarOffset(known.num, ((reg.delta ?? 0) - (known.delta ?? 0)) | 0) };
  }
}
