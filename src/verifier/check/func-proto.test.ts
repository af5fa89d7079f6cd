import { describe, expect, it } from 'vitest';
import {
  ARG_CONST_MAP_PTR,
  ARG_DONTCARE,
  ARG_PTR_TO_BTF_ID,
  ARG_PTR_TO_MAP_KEY,
  type ArgProto,
  HELPERS,
  type HelperProto,
  KERNEL_PROTOS,
  OBJ_RELEASE,
  PTR_MAYBE_NULL,
  RET_PTR_TO_BTF_ID,
  RET_PTR_TO_MAP_VALUE,
} from '../../helpers/index.ts';
import { ANY_STRUCT, funcProtoOf } from './func-proto.ts';

const protoOf = (id: number): HelperProto => {
  const def = HELPERS[id];
  if (def === undefined) throw new Error(`no helper ${id}`);
  return def.proto;
};

describe('contracts as numbers', () => {
  it('are made once', () => {
    expect(funcProtoOf(protoOf(1))).toBe(funcProtoOf(protoOf(1)));
  });

  it('have types with their flags, padded to five arguments', () => {
    const fn = funcProtoOf(protoOf(1));
    expect(fn.argType).toEqual([ARG_CONST_MAP_PTR, ARG_PTR_TO_MAP_KEY, ARG_DONTCARE, ARG_DONTCARE, ARG_DONTCARE]);
    expect(fn.retType).toBe(RET_PTR_TO_MAP_VALUE | PTR_MAYBE_NULL);
    expect(fn.argBtf).toEqual([undefined, undefined, undefined, undefined, undefined]);
  });

  it('tell structs that are named from those the call decides', () => {
    const kptrXchg = funcProtoOf(protoOf(194));
    expect(kptrXchg.argType[1]).toBe(ARG_PTR_TO_BTF_ID | PTR_MAYBE_NULL | OBJ_RELEASE);
    expect(kptrXchg.argBtf[1]).toBe(ANY_STRUCT);
    expect(kptrXchg.retType).toBe(RET_PTR_TO_BTF_ID | PTR_MAYBE_NULL);
    expect(kptrXchg.retBtf).toBe(ANY_STRUCT);
    const findVma = funcProtoOf(protoOf(180));
    expect(findVma.argBtf[0]).toBe('task_struct');
  });

  it('make sense, all of Linux', () => {
    expect(KERNEL_PROTOS.size).toBeGreaterThan(200);
    for (const { name, proto } of KERNEL_PROTOS.values()) expect(funcProtoOf(proto).ok, name).toBe(true);
  });

  const MEM: ArgProto = { type: 'ARG_PTR_TO_MEM' };
  const RAW: ArgProto = { type: 'ARG_PTR_TO_MEM', flags: ['MEM_UNINIT'] };
  const FIXED: ArgProto = { type: 'ARG_PTR_TO_MEM', flags: ['MEM_FIXED_SIZE'], sizeBytes: 8 };
  const SIZE: ArgProto = { type: 'ARG_CONST_SIZE' };
  const ANY: ArgProto = { type: 'ARG_ANYTHING' };
  it.each<[string, ArgProto[], boolean]>([
    ['memory with its size', [MEM, SIZE], true],
    ['memory of a fixed size', [FIXED, ANY], true],
    ['memory without a size', [MEM, ANY], false],
    ['memory without a size at the end', [ANY, ANY, ANY, ANY, MEM], false],
    ['fixed and a size', [FIXED, SIZE], false],
    ['a size without memory', [ANY, SIZE], false],
    ['a size first', [SIZE, ANY], false],
    ['memory to fill', [RAW, SIZE, MEM, SIZE], true],
    ['two to fill', [RAW, SIZE, RAW, SIZE], false],
  ])('%s: %#', (_what, args, ok) => {
    expect(funcProtoOf({ ret: 'RET_INTEGER', args }).ok).toBe(ok);
  });
});
