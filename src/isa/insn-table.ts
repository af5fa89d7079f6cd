/**
 * THE instruction table: one row for each instruction of RFC 9669 and of Linux since. Codec, text dialects,
 * engines, generators and tests all read it; nothing else knows which encodings exist.
 */
import * as I from './insn.ts';

/** RFC 9669 §2.4 conformance groups; `linux` is everything that only Linux defines. */
export type ConformanceGroup =
  | 'base32'
  | 'base64'
  | 'divmul32'
  | 'divmul64'
  | 'atomic32'
  | 'atomic64'
  | 'packet'
  | 'callx'
  | 'linux';

export type AluOp =
  | 'add'
  | 'sub'
  | 'mul'
  | 'div'
  | 'or'
  | 'and'
  | 'lsh'
  | 'rsh'
  | 'mod'
  | 'xor'
  | 'mov'
  | 'arsh'
  | 'sdiv'
  | 'smod';
export type JumpOp = 'jeq' | 'jgt' | 'jge' | 'jset' | 'jne' | 'jsgt' | 'jsge' | 'jlt' | 'jle' | 'jslt' | 'jsle';
export type AtomicOp = 'add' | 'or' | 'and' | 'xor' | 'xchg' | 'cmpxchg';

/** What an instruction does; readers switch on `kind` and then on the row's own parameters. */
export type InsnKind =
  | 'alu' // dst = dst op (src | imm); mov too
  | 'neg' // dst = -dst
  | 'movsx' // dst = sign-extended low sizeBytes of src
  | 'end' // dst = byte order conversion of its low sizeBytes
  | 'addr_space_cast' // dst = src moved to another address space
  | 'ldx' // dst = *(sizeBytes *)(src + off), zero-extended
  | 'ldxs' // the same, sign-extended
  | 'st' // *(sizeBytes *)(dst + off) = imm
  | 'stx' // *(sizeBytes *)(dst + off) = src
  | 'atomic' // read-modify-write of *(sizeBytes *)(dst + off)
  | 'load_acq' // dst = load-acquire of *(sizeBytes *)(src + off)
  | 'store_rel' // store-release of src to *(sizeBytes *)(dst + off)
  | 'ld_abs' // r0 = packet bytes at imm, network order
  | 'ld_ind' // r0 = packet bytes at src + imm
  | 'ld_imm64' // dst = 64-bit value, map, map value, BTF object or function
  | 'ja' // pc += off or imm
  | 'gotox' // pc = dst
  | 'jcond' // if dst op (src | imm) pc += off
  | 'may_goto' // pc += off when the loop budget is spent
  | 'call' // a helper, a subprogram or a kfunc
  | 'callx' // the function dst points to
  | 'exit';

/**
 * How a field is used. A number: the field must hold exactly this (0 for unused fields, other values select the row).
 * Registers: `read`, `write`, `readwrite`. Otherwise what the value means.
 */
export type RegUse = 'read' | 'write' | 'readwrite' | number;
export type OffUse = 'mem' | 'jump' | 'fd_idx' | number;
export type ImmUse = 'value' | 'jump' | 'helper' | 'subprog' | 'btf_id' | 'map' | 'as' | number;

/** One row: an instruction and everything a reader may want to know of it. */
export interface InsnDef {
  /** Dense index of the row, stable within one version of farcall; engines use it as their operation number. */
  readonly id: number;
  /** Unique, lower case, e.g. `add64_imm`, `ldxw`, `lock_fetch_add64`. */
  readonly name: string;
  readonly code: number;
  readonly kind: InsnKind;
  /** The operator within `kind`; '' where kind says it all. For `end`: `le`, `be` or `bswap`. */
  readonly op: AluOp | JumpOp | AtomicOp | 'le' | 'be' | 'bswap' | '';
  /** Width of the computation or comparison. */
  readonly bits: 32 | 64;
  /** Bytes accessed, converted or extended; 0 where there are none. */
  readonly sizeBytes: 0 | 1 | 2 | 4 | 8;
  /** The second operand of alu, jcond and stores. */
  readonly source: 'imm' | 'reg' | 'none';
  /** atomic: the old value is put in src (r0 for cmpxchg). */
  readonly fetch: boolean;
  readonly dst: RegUse;
  readonly src: RegUse;
  readonly off: OffUse;
  readonly imm: ImmUse;
  /** ld_imm64 only: what the second slot's imm means, or the value it must have. */
  readonly imm2: 'hi' | 'value_off' | 'btf_fd' | number;
  readonly slots: 1 | 2;
  readonly group: ConformanceGroup;
  /** First Linux release that accepts it. */
  readonly since: string;
}

type Row = Omit<InsnDef, 'id'>;

const blank = {
  op: '',
  bits: 64,
  sizeBytes: 0,
  source: 'none',
  fetch: false,
  dst: 0,
  src: 0,
  off: 0,
  imm: 0,
  imm2: 0,
  slots: 1,
  since: '3.18',
} as const;

const row = (r: Partial<Row> & Pick<Row, 'name' | 'code' | 'kind' | 'group'>): Row => ({ ...blank, ...r });

const ALU_OPS: readonly { op: AluOp; code: number; off?: number; since?: string }[] = [
  { op: 'add', code: 0x00 },
  { op: 'sub', code: 0x10 },
  { op: 'mul', code: 0x20 },
  { op: 'div', code: 0x30 },
  { op: 'sdiv', code: 0x30, off: 1, since: '6.6' },
  { op: 'or', code: 0x40 },
  { op: 'and', code: 0x50 },
  { op: 'lsh', code: 0x60 },
  { op: 'rsh', code: 0x70 },
  { op: 'mod', code: 0x90 },
  { op: 'smod', code: 0x90, off: 1, since: '6.6' },
  { op: 'xor', code: 0xa0 },
  { op: 'mov', code: 0xb0 },
  { op: 'arsh', code: 0xc0 },
];

const JUMP_OPS: readonly { op: JumpOp; code: number; since?: string }[] = [
  { op: 'jeq', code: 0x10 },
  { op: 'jgt', code: 0x20 },
  { op: 'jge', code: 0x30 },
  { op: 'jset', code: 0x40 },
  { op: 'jne', code: 0x50 },
  { op: 'jsgt', code: 0x60 },
  { op: 'jsge', code: 0x70 },
  { op: 'jlt', code: 0xa0, since: '4.14' },
  { op: 'jle', code: 0xb0, since: '4.14' },
  { op: 'jslt', code: 0xc0, since: '4.14' },
  { op: 'jsle', code: 0xd0, since: '4.14' },
];

const SIZES = [
  { letter: 'w', code: I.BPF_W, sizeBytes: 4 },
  { letter: 'h', code: I.BPF_H, sizeBytes: 2 },
  { letter: 'b', code: I.BPF_B, sizeBytes: 1 },
  { letter: 'dw', code: I.BPF_DW, sizeBytes: 8 },
] as const;

const ATOMIC_OPS: readonly { op: AtomicOp; imm: number }[] = [
  { op: 'add', imm: 0x00 },
  { op: 'or', imm: 0x40 },
  { op: 'and', imm: 0x50 },
  { op: 'xor', imm: 0xa0 },
];

const WIDTHS = [
  { bits: 64, alu: I.BPF_ALU64, jmp: I.BPF_JMP, base: 'base64', divmul: 'divmul64' },
  { bits: 32, alu: I.BPF_ALU, jmp: I.BPF_JMP32, base: 'base32', divmul: 'divmul32' },
] as const;

const SOURCES = [
  { source: 'imm', bit: I.BPF_K, src: 0, imm: 'value' },
  { source: 'reg', bit: I.BPF_X, src: 'read', imm: 0 },
] as const;

function* aluRows(): Generator<Row> {
  for (const w of WIDTHS) {
    for (const { op, code, off, since } of ALU_OPS) {
      for (const s of SOURCES) {
        const group = ['mul', 'div', 'sdiv', 'mod', 'smod'].includes(op) ? w.divmul : w.base;
        yield row({
          name: `${op}${w.bits}_${s.source}`,
          code: w.alu | code | s.bit,
          kind: 'alu',
          op,
          bits: w.bits,
          source: s.source,
          dst: op === 'mov' ? 'write' : 'readwrite',
          src: s.src,
          off: off ?? 0,
          imm: s.imm,
          group,
          since: since ?? '3.18',
        });
      }
    }
    yield row({ name: `neg${w.bits}`, code: w.alu | 0x80, kind: 'neg', bits: w.bits, dst: 'readwrite', group: w.base });
    for (const sizeBytes of [1, 2, 4] as const) {
      if (w.bits === 32 && sizeBytes === 4) continue;
      yield row({
        name: `movsx${sizeBytes * 8}_${w.bits}`,
        code: w.alu | 0xb0 | I.BPF_X,
        kind: 'movsx',
        bits: w.bits,
        sizeBytes,
        source: 'reg',
        dst: 'write',
        src: 'read',
        off: sizeBytes * 8,
        group: w.base,
        since: '6.6',
      });
    }
  }
  for (const sizeBytes of [2, 4, 8] as const) {
    const group = sizeBytes === 8 ? 'base64' : 'base32';
    const common = { kind: 'end', sizeBytes, dst: 'readwrite', imm: sizeBytes * 8, group } as const;
    yield row({ ...common, name: `le${sizeBytes * 8}`, code: I.BPF_ALU | 0xd0, op: 'le' });
    yield row({ ...common, name: `be${sizeBytes * 8}`, code: I.BPF_ALU | 0xd8, op: 'be' });
    yield row({ ...common, name: `bswap${sizeBytes * 8}`, code: I.BPF_ALU64 | 0xd0, op: 'bswap', since: '6.6' });
  }
  // imm is dst_as << 16 | src_as; Linux knows address spaces 0 (kernel) and 1 (arena).
  for (const imm of [1, 0x10000]) {
    yield row({
      name: imm === 1 ? 'addr_space_cast_kern' : 'addr_space_cast_user',
      code: I.BPF_ALU64 | 0xb0 | I.BPF_X,
      kind: 'addr_space_cast',
      dst: 'write',
      src: 'read',
      off: 1,
      imm,
      group: 'linux',
      since: '6.9',
    });
  }
}

function* memoryRows(): Generator<Row> {
  for (const { letter, code, sizeBytes } of SIZES) {
    const group = sizeBytes === 8 ? 'base64' : 'base32';
    const bits = 64;
    yield row({
      name: `ldx${letter}`,
      code: I.BPF_LDX | I.BPF_MEM | code,
      kind: 'ldx',
      bits,
      sizeBytes,
      dst: 'write',
      src: 'read',
      off: 'mem',
      group,
    });
    if (sizeBytes !== 8) {
      yield row({
        name: `ldxs${letter}`,
        code: I.BPF_LDX | I.BPF_MEMSX | code,
        kind: 'ldxs',
        bits,
        sizeBytes,
        dst: 'write',
        src: 'read',
        off: 'mem',
        group: 'base64',
        since: '6.6',
      });
    }
    yield row({
      name: `st${letter}`,
      code: I.BPF_ST | I.BPF_MEM | code,
      kind: 'st',
      bits,
      sizeBytes,
      source: 'imm',
      dst: 'read',
      off: 'mem',
      imm: 'value',
      group,
    });
    yield row({
      name: `stx${letter}`,
      code: I.BPF_STX | I.BPF_MEM | code,
      kind: 'stx',
      bits,
      sizeBytes,
      source: 'reg',
      dst: 'read',
      src: 'read',
      off: 'mem',
      group,
    });
    yield row({
      name: `load_acq${sizeBytes * 8}`,
      code: I.BPF_STX | I.BPF_ATOMIC | code,
      kind: 'load_acq',
      sizeBytes,
      dst: 'write',
      src: 'read',
      off: 'mem',
      imm: I.BPF_LOAD_ACQ,
      group: 'linux',
      since: '6.15',
    });
    yield row({
      name: `store_rel${sizeBytes * 8}`,
      code: I.BPF_STX | I.BPF_ATOMIC | code,
      kind: 'store_rel',
      sizeBytes,
      source: 'reg',
      dst: 'read',
      src: 'read',
      off: 'mem',
      imm: I.BPF_STORE_REL,
      group: 'linux',
      since: '6.15',
    });
    if (sizeBytes !== 8) {
      yield row({
        name: `ldabs${letter}`,
        code: I.BPF_LD | I.BPF_ABS | code,
        kind: 'ld_abs',
        bits: 32,
        sizeBytes,
        imm: 'value',
        group: 'packet',
      });
      yield row({
        name: `ldind${letter}`,
        code: I.BPF_LD | I.BPF_IND | code,
        kind: 'ld_ind',
        bits: 32,
        sizeBytes,
        src: 'read',
        imm: 'value',
        group: 'packet',
      });
    }
  }
  for (const bits of [64, 32] as const) {
    const common = {
      code: I.BPF_STX | I.BPF_ATOMIC | (bits === 64 ? I.BPF_DW : I.BPF_W),
      kind: 'atomic',
      bits,
      sizeBytes: bits === 64 ? 8 : 4,
      source: 'reg',
      dst: 'read',
      off: 'mem',
      group: bits === 64 ? 'atomic64' : 'atomic32',
    } as const;
    for (const { op, imm } of ATOMIC_OPS) {
      yield row({ ...common, name: `lock_${op}${bits}`, op, src: 'read', imm, since: op === 'add' ? '3.18' : '5.12' });
      yield row({
        ...common,
        name: `lock_fetch_${op}${bits}`,
        op,
        src: 'readwrite',
        imm: imm | I.BPF_FETCH,
        fetch: true,
        since: '5.12',
      });
    }
    yield row({
      ...common,
      name: `lock_xchg${bits}`,
      op: 'xchg',
      src: 'readwrite',
      imm: I.BPF_XCHG,
      fetch: true,
      since: '5.12',
    });
    yield row({
      ...common,
      name: `lock_cmpxchg${bits}`,
      op: 'cmpxchg',
      src: 'read',
      imm: I.BPF_CMPXCHG,
      fetch: true,
      since: '5.12',
    });
  }
  const wide = { code: I.LD_IMM64, kind: 'ld_imm64', sizeBytes: 8, dst: 'write', slots: 2, group: 'base64' } as const;
  yield row({ ...wide, name: 'lddw', imm: 'value', imm2: 'hi' });
  yield row({ ...wide, name: 'lddw_map_fd', src: I.BPF_PSEUDO_MAP_FD, imm: 'map' });
  yield row({
    ...wide,
    name: 'lddw_map_value',
    src: I.BPF_PSEUDO_MAP_VALUE,
    imm: 'map',
    imm2: 'value_off',
    since: '5.2',
  });
  yield row({ ...wide, name: 'lddw_btf_id', src: I.BPF_PSEUDO_BTF_ID, imm: 'btf_id', imm2: 'btf_fd', since: '5.10' });
  yield row({ ...wide, name: 'lddw_func', src: I.BPF_PSEUDO_FUNC, imm: 'subprog', since: '5.13' });
  yield row({ ...wide, name: 'lddw_map_idx', src: I.BPF_PSEUDO_MAP_IDX, imm: 'map', since: '5.14' });
  yield row({
    ...wide,
    name: 'lddw_map_idx_value',
    src: I.BPF_PSEUDO_MAP_IDX_VALUE,
    imm: 'map',
    imm2: 'value_off',
    since: '5.14',
  });
}

function* jumpRows(): Generator<Row> {
  yield row({ name: 'ja', code: 0x05, kind: 'ja', off: 'jump', group: 'base32' });
  yield row({ name: 'gotol', code: 0x06, kind: 'ja', bits: 32, imm: 'jump', group: 'base32', since: '6.6' });
  yield row({ name: 'gotox', code: 0x0d, kind: 'gotox', dst: 'read', group: 'linux', since: '6.19' });
  yield row({ name: 'may_goto', code: 0xe5, kind: 'may_goto', off: 'jump', group: 'linux', since: '6.9' });
  for (const w of WIDTHS) {
    for (const { op, code, since } of JUMP_OPS) {
      for (const s of SOURCES) {
        yield row({
          name: `${op}${w.bits}_${s.source}`,
          code: w.jmp | code | s.bit,
          kind: 'jcond',
          op,
          bits: w.bits,
          source: s.source,
          dst: 'read',
          src: s.src,
          off: 'jump',
          imm: s.imm,
          group: w.base,
          since: w.bits === 32 ? '5.1' : (since ?? '3.18'),
        });
      }
    }
  }
  yield row({
    name: 'call_helper',
    code: I.CALL,
    kind: 'call',
    src: I.BPF_HELPER_CALL,
    imm: 'helper',
    group: 'base32',
  });
  yield row({
    name: 'call_local',
    code: I.CALL,
    kind: 'call',
    src: I.BPF_PSEUDO_CALL,
    imm: 'subprog',
    group: 'base32',
    since: '4.16',
  });
  yield row({
    name: 'call_kfunc',
    code: I.CALL,
    kind: 'call',
    src: I.BPF_PSEUDO_KFUNC_CALL,
    off: 'fd_idx',
    imm: 'btf_id',
    group: 'base32',
    since: '5.13',
  });
  yield row({ name: 'callx', code: 0x8d, kind: 'callx', dst: 'read', group: 'callx' });
  yield row({ name: 'exit', code: I.EXIT, kind: 'exit', group: 'base32' });
}

/** All rows; `INSN_TABLE[def.id] === def`. */
export const INSN_TABLE: readonly InsnDef[] = [...aluRows(), ...memoryRows(), ...jumpRows()].map((r, id) => ({
  id,
  ...r,
}));

/** Row by name. */
export const INSN_BY_NAME: ReadonlyMap<string, InsnDef> = new Map(INSN_TABLE.map(def => [def.name, def]));

/** The rows that share a code, told apart by constants in src, off and imm. Index: code. */
export const INSNS_BY_CODE: readonly (readonly InsnDef[])[] = Array.from({ length: 256 }, (_, code) =>
  INSN_TABLE.filter(def => def.code === code),
);
