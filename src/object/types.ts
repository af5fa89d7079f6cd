import type { Btf, BtfExt } from '../btf/index.ts';
import type { Insn } from '../isa/index.ts';
import type { MapDef } from '../maps/index.ts';
import type { ByteOrder, FarcallError } from '../util/index.ts';

/** Everything a BPF object says, before any kernel is known. Same bytes, same spec, everywhere. */
export interface ObjectSpec {
  /** File name without directories and `.o`, as libbpf names objects; '' if none was given. */
  readonly name: string;
  readonly order: ByteOrder;
  /** Text of the `license` section, '' without one. */
  readonly license: string;
  /** The `version` section, 0 without one. */
  readonly kernVersion: number;
  /**
   * By section, then by place in it, as libbpf keeps them. Functions of .text are not programs: they are linked into those
   * that call them. Differs from libbpf: where an object holds nothing else, the global functions of .text are programs.
   */
  readonly programs: readonly ProgramSpec[];
  /** Declared maps first, then those made of data sections (.data, .rodata, .bss and theirs), .kconfig, struct_ops. */
  readonly maps: readonly ObjectMap[];
  readonly externs: readonly ExternSpec[];
  readonly structOps: readonly StructOpsSpec[];
  /** With the sizes, offsets and linkages filled in that compilers leave open; type ids are those of the file. */
  readonly btf: Btf | undefined;
  readonly btfExt: BtfExt | undefined;
  /** What a reader should know but need not act on: ignored sections, unusual spellings. */
  readonly notes: readonly string[];
}

/** A map of the object and where it came from. */
export interface ObjectMap {
  readonly def: MapDef;
  /** `maps`: legacy section; `.maps`: BTF-defined; `data`: a data section, .kconfig included. */
  readonly origin: 'maps' | '.maps' | 'data' | 'struct_ops';
  /** The ELF section; the full name where `def.name` is cut to what kernels take. */
  readonly section: string;
  /** data maps and arenas: initial contents; undefined for .bss and .kconfig, which begin as zeroes. */
  readonly data?: Uint8Array;
  readonly keyTypeId: number;
  readonly valueTypeId: number;
  /** 0 none, 1 by name. */
  readonly pinning: number;
  /** False for `?.struct_ops` maps, which are made on demand only. */
  readonly autocreate: boolean;
  /** `values = { … }` of maps of maps and prog arrays. */
  readonly initialValues: readonly { readonly index: number; readonly map?: string; readonly prog?: string }[];
  readonly innerKeyTypeId?: number;
  readonly innerValueTypeId?: number;
}

/**
 * What an instruction refers to by name. Local calls and function addresses are resolved already. `map` and `map_value`
 * instructions carry BPF_PSEUDO_MAP_FD and BPF_PSEUDO_MAP_VALUE with imm 0 (and the offset in the second slot); externs
 * of .kconfig are `map_value` of the .kconfig map. An extern `call` carries BPF_PSEUDO_KFUNC_CALL, off 0 and imm 0; any
 * other extern is a ld_imm64 of 0, and libbpf ignores its `offBytes`.
 */
export type InsnRef =
  | { readonly insnIdx: number; readonly kind: 'map'; readonly map: string }
  | { readonly insnIdx: number; readonly kind: 'map_value'; readonly map: string; readonly offBytes: number }
  | {
      readonly insnIdx: number;
      readonly kind: 'extern';
      readonly extern: string;
      readonly call: boolean;
      readonly offBytes: number;
    };

export interface FuncInfo {
  readonly insnIdx: number;
  readonly typeId: number;
}

export interface LineInfo {
  readonly insnIdx: number;
  readonly fileNameOff: number;
  readonly lineOff: number;
  readonly line: number;
  readonly column: number;
}

export interface CoreReloSpec {
  readonly insnIdx: number;
  readonly typeId: number;
  readonly accessStrOff: number;
  readonly kind: number;
  /** Position among its section's records: the number in libbpf's messages. */
  readonly index: number;
}

/** A function inside a program's instructions. */
export interface SubprogSpec {
  readonly name: string;
  readonly section: string;
  readonly insnIdx: number;
  readonly insnCount: number;
  /** False for static functions and for hidden ones, which libbpf makes static so that they are verified with callers. */
  readonly global: boolean;
}

/** One program: its own instructions and those of every function it reaches, in libbpf's order. */
export interface ProgramSpec {
  readonly name: string;
  /** Without the `?` that turns autoload off. */
  readonly section: string;
  /** `BPF_PROG_TYPE_*`; 0 where the section name says nothing. */
  readonly type: number;
  /** `BPF_*` attach type; 0 where the section name implies none. */
  readonly attachType: number;
  /** What follows the slash: the traced function, the tracepoint; for struct_ops the member it implements. */
  readonly attachTarget: string;
  /** `BPF_F_SLEEPABLE`, `BPF_F_XDP_HAS_FRAGS` … as the section name asks. */
  readonly flags: number;
  /** False for sections that begin with `?`. */
  readonly autoload: boolean;
  readonly insns: readonly Insn[];
  /** The program itself first. */
  readonly subprogs: readonly SubprogSpec[];
  /** Ascending by insnIdx within each function. */
  readonly refs: readonly InsnRef[];
  readonly funcInfo: readonly FuncInfo[];
  readonly lineInfo: readonly LineInfo[];
  readonly coreRelos: readonly CoreReloSpec[];
  /** The global function named by the `exception_callback:` declaration tag, which is among `subprogs` then. */
  readonly exceptionCallback?: string;
  /**
   * Why the program cannot be loaded: a relocation or a call that leads nowhere. `insns` is then the program's own code
   * alone, as compiled. libbpf refuses the whole object instead.
   */
  readonly problem?: FarcallError;
}

export interface ExternSpec {
  readonly name: string;
  readonly section: '.kconfig' | '.ksyms';
  readonly kind: 'kconfig' | 'ksym_var' | 'ksym_typeless' | 'ksym_func';
  readonly weak: boolean;
  /** Under typedefs and qualifiers: the type of a variable, the prototype of a function; 0 without type. */
  readonly typeId: number;
  /** The VAR or FUNC that declares it; 0 without BTF. */
  readonly declId: number;
  /** kconfig: place in the .kconfig map. */
  readonly offBytes: number;
  readonly sizeBytes: number;
}

export interface StructOpsSpec {
  /** The variable's name, which names the map too. */
  readonly name: string;
  readonly typeName: string;
  readonly typeId: number;
  readonly section: string;
  /** Places of function pointers are 0. */
  readonly data: Uint8Array;
  /** Members that are functions: member name → program. */
  readonly programs: readonly { readonly member: string; readonly prog: string }[];
}
