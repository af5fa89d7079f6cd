import { isExact, LinearEmission } from '../../linear/index.ts';
import { EXACT, FP, LOAD, STORE_K } from '../../rows/ir.ts';
import { alu, lea, mov, movsxd, NONE, rm, SUB, W } from '../encode.ts';
import { ADDRESS, FRAME_END, HOME, MEMORY, SCRATCH } from './registers.ts';

/** Memory that an instruction reaches. */
export interface Place {
  readonly base: number;
  readonly index: number;
  readonly disp: number;
}

/** What the rows of one function are written with. */
export class X86Emission extends LinearEmission {
  /** Where loops were aligned by as much as may be necessary. */
  readonly pads: number[] = [];

  /** The register that holds a BPF register; R10's value is made in `scratch`. */
  use(register: number, scratch: number = SCRATCH): number {
    if (register !== FP) return HOME[register];
    this.frameAddress(scratch, 0);
    return scratch;
  }
  /** to = R10 + disp as an offset in the memory. */
  frameAddress(to: number, disp: number): void {
    if (disp === 0) mov(this.c, 0, to, FRAME_END);
    else lea(this.c, 0, to, FRAME_END, disp);
    alu(this.c, 0, SUB, to, MEMORY);
  }

  /**
   * Where a row's access goes. Addresses are 32 bits wide: sums are made in a register of their own, but for small distances,
   * which lead out of no 32 bits as nothing that may be accessed lies in the first 64 KiB.
   */
  address(i: number): Place {
    const { rows, c } = this;
    const base = rows.a[i];
    const off = rows.off[i];
    const kind = rows.kind[i];
    const index = kind >= LOAD && kind <= STORE_K && rows.aux[i] > 0 ? rows.aux[i] - 1 : NONE;
    if (base === FP && index === NONE) return { base: FRAME_END, index: NONE, disp: off };
    if (base === FP) {
      // What the verifier let pass lies in the frame: an index that is not negative is a small one.
      const small = this.isZero(index) && (rows.flags[i] & EXACT) !== 0 && this.slots[i] < this.program.verifiedSlots;
      if (small) return { base: FRAME_END, index: HOME[index], disp: off };
      // Distances from the frame's end may be negative.
      movsxd(c, ADDRESS, this.use(index));
      return { base: FRAME_END, index: ADDRESS, disp: off };
    }
    const at = HOME[base];
    if (index !== NONE) {
      const other = this.use(index, ADDRESS);
      if (off === 0 && (at & 7) === 5 && (other & 7) !== 5) lea(c, 0, ADDRESS, other, 0, at);
      else lea(c, 0, ADDRESS, at, off, other);
    } else if (off < 0x10000 && this.isZero(base)) return { base: MEMORY, index: at, disp: off };
    else if (this.slots[i] < this.program.verifiedSlots && isExact(this.known, base)) {
      // What the verifier let pass as a pointer is one: 64 bits of which the upper half is 0, with what was added or without.
      return { base: MEMORY, index: at, disp: off };
    } else if (off === 0) mov(c, 0, ADDRESS, at);
    else lea(c, 0, ADDRESS, at, off);
    return { base: MEMORY, index: ADDRESS, disp: 0 };
  }

  /** `op` with a register and a place. */
  access(flags: number, op: number, register: number, at: Place): void {
    rm(this.c, flags, op, register, at.base, at.disp, at.index);
  }

  /** A word of the run's state: `op` with a register. */
  state(w: number, op: number, register: number, offBytes: number): void {
    rm(this.c, w, op, register, MEMORY, this.program.stateAddr + offBytes);
  }
}

export const LOAD_OP = 0x8b;
export const STORE_OP = 0x89;
export { W };
