import { ByteSink } from './byte-sink.ts';
import * as w from './opcodes.ts';

/** Instructions of function bodies, one method for each shape of operands. */
export class Code extends ByteSink {
  /** Instructions without immediates. */
  op(opcode: number): void {
    if (this.used === this.buffer.length) this.room(1);
    this.buffer[this.used++] = opcode;
  }
  #indexed(opcode: number, index: number): void {
    if (index > 0x7f) {
      this.byte(opcode);
      this.u32(index);
      return;
    }
    let at = this.used;
    if (at + 2 > this.buffer.length) this.room(2);
    this.buffer[at++] = opcode;
    this.buffer[at++] = index;
    this.used = at;
  }
  get(local: number): void {
    this.#indexed(w.LOCAL_GET, local);
  }
  set(local: number): void {
    this.#indexed(w.LOCAL_SET, local);
  }
  tee(local: number): void {
    this.#indexed(w.LOCAL_TEE, local);
  }
  globalGet(index: number): void {
    this.byte(w.GLOBAL_GET);
    this.u32(index);
  }
  globalSet(index: number): void {
    this.byte(w.GLOBAL_SET);
    this.u32(index);
  }
  i32(value: number): void {
    this.byte(w.I32_CONST);
    this.s32(value);
  }
  i64(hi: number, lo: number): void {
    this.byte(w.I64_CONST);
    this.s64(hi, lo);
  }
  /** A load or store, with no promise of alignment. @param offBytes unsigned, added to the address without wrapping */
  access(opcode: number, offBytes: number): void {
    this.byte(opcode);
    this.byte(0);
    this.u32(offBytes);
  }
  /** An atomic operation of the threads proposal. @param log2 of its size, which its alignment must be */
  atomic(opcode: number, log2: number, offBytes: number): void {
    this.byte(w.PREFIX_FE);
    this.u32(opcode);
    this.byte(log2);
    this.u32(offBytes);
  }
  /** `block`, `loop` or `if`. @param type result type, or VOID */
  open(opcode: number, type: number = w.VOID): void {
    this.byte(opcode);
    this.byte(type);
  }
  br(depth: number): void {
    this.byte(w.BR);
    this.u32(depth);
  }
  brIf(depth: number): void {
    this.byte(w.BR_IF);
    this.u32(depth);
  }
  /** @param depths one for each index, then the default */
  brTable(depths: ArrayLike<number>): void {
    this.byte(w.BR_TABLE);
    this.u32(depths.length - 1);
    for (let i = 0; i < depths.length; i++) this.u32(depths[i]);
  }
  call(func: number): void {
    this.byte(w.CALL);
    this.u32(func);
  }
  callIndirect(type: number): void {
    this.byte(w.CALL_INDIRECT);
    this.u32(type);
    this.byte(0);
  }
  returnCallIndirect(type: number): void {
    this.byte(w.RETURN_CALL_INDIRECT);
    this.u32(type);
    this.byte(0);
  }
  /** memory.fill of address, byte and length on the stack. */
  memoryFill(): void {
    this.byte(w.PREFIX_FC);
    this.u32(w.MEMORY_FILL);
    this.byte(0);
  }
}
