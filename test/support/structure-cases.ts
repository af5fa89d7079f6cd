import { BtfBuilder } from '../../src/btf/index.ts';
import { type Insn, makeInsn } from '../../src/isa/index.ts';
import {
  checkStructure,
  type InfoTable,
  type StructureInput,
  type StructureOptions,
} from '../../src/verifier/index.ts';

export const mov = (dst: number, imm: number): Insn => makeInsn(0xb7, dst, 0, 0, imm);
export const movx = (dst: number, src: number): Insn => makeInsn(0xbf, dst, src, 0, 0);
export const addImm = (dst: number, imm: number): Insn => makeInsn(0x07, dst, 0, 0, imm);
export const addReg = (dst: number, src: number): Insn => makeInsn(0x0f, dst, src, 0, 0);
export const exit = makeInsn(0x95, 0, 0, 0, 0);
/** Calls the function `distance` behind the next slot. */
export const call = (distance: number): Insn => makeInsn(0x85, 0, 1, 0, distance);
export const helper = (id: number): Insn => makeInsn(0x85, 0, 0, 0, id);
export const kfunc = (id: number, off = 0): Insn => makeInsn(0x85, 0, 2, off, id);
export const ja = (off: number): Insn => makeInsn(0x05, 0, 0, off, 0);
export const gotol = (imm: number): Insn => makeInsn(0x06, 0, 0, 0, imm);
export const jeq = (off: number): Insn => makeInsn(0x15, 1, 0, off, 0);
export const mayGoto = (off: number): Insn => makeInsn(0xe5, 0, 0, off, 0);
/** *(u64 *)(r10 + off) = 0 */
export const spill = (off: number): Insn => makeInsn(0x7a, 10, 0, off, 0);
export const wide = (dst: number, src: number, imm: number, high = 0): Insn[] => [
  makeInsn(0x18, dst, src, 0, imm),
  makeInsn(0, 0, 0, 0, high),
];
/** dst = the address of the function `distance` behind the next instruction. */
export const func = (dst: number, distance: number): Insn[] => wide(dst, 4, distance + 1);

/** `accepted`, or errno and message. */
export function verdict(input: Insn[] | StructureInput, options?: StructureOptions): string {
  const result = checkStructure(Array.isArray(input) ? { insns: input, type: 1 } : input, options);
  return result.ok ? 'accepted' : `${result.errno} ${result.message}`;
}

/** Functions one after another, each a list of slots; a number among them is a call of the function of that number. */
export function program(...funcs: readonly (readonly (Insn | number)[])[]): Insn[] {
  const starts: number[] = [];
  let at = 0;
  for (const body of funcs) {
    starts.push(at);
    at += body.length;
  }
  return funcs.flatMap((body, id) =>
    body.map((item, i) => (typeof item === 'number' ? call(starts[item] - starts[id] - i - 1) : item)),
  );
}

export function infoTable(records: readonly (readonly number[])[], recSizeBytes: number): InfoTable {
  return { recSizeBytes, count: records.length, words: Uint32Array.from(records.flat()) };
}

export interface FuncDecl {
  readonly name: string;
  readonly returns?: 'int' | 'void' | 'u128' | 'enum' | 'const int';
  /** Default 0, static. */
  readonly linkage?: number;
}

/** A BTF of functions: their ids by name, and string offsets of a file and of a line. */
export function functionsBtf(decls: readonly FuncDecl[]): {
  builder: BtfBuilder;
  ids: Record<string, number>;
  file: number;
  line: number;
} {
  const builder = new BtfBuilder();
  const int = { kind: 'INT', signed: true, char: false, bool: false, encoding: 1, bitOffset: 0 } as const;
  const intId = builder.add({ ...int, name: 'int', sizeBytes: 4, bits: 32 });
  const returns = {
    int: intId,
    void: 0,
    u128: builder.add({ ...int, name: 'u128', sizeBytes: 16, bits: 128 }),
    enum: builder.add({ kind: 'ENUM', name: 'e', sizeBytes: 4, signed: false, values: [{ name: 'A', value: 0 }] }),
    'const int': builder.add({ kind: 'CONST', name: '', typeId: intId }),
  };
  const ids: Record<string, number> = {};
  for (const decl of decls) {
    const returnTypeId = returns[decl.returns ?? 'int'];
    const typeId = builder.add({ kind: 'FUNC_PROTO', name: '', returnTypeId, params: [] });
    ids[decl.name] = builder.add({ kind: 'FUNC', name: decl.name, typeId, linkage: decl.linkage ?? 0 });
  }
  return { builder, ids, file: builder.string('src/prog.c'), line: builder.string('\treturn 0;') };
}
