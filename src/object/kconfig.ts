import { type KconfigType, kconfigType } from './externs.ts';
import type { ExternSpec, ObjectSpec } from './types.ts';

/** Where the values of .kconfig variables come from. */
export interface KconfigValues {
  /** Text of a kernel's configuration: lines `CONFIG_X=y`, `=m`, `=100`, `="text"`; other lines are passed over. */
  readonly config?: string;
  /** `KERNEL_VERSION(a, b, c)`: a << 16 | b << 8 | c. */
  readonly kernelVersion?: number;
  /** Whether programs can read attach cookies (Linux 5.15). True when left out. */
  readonly hasBpfCookie?: boolean;
  /** Whether system calls take a pt_regs (x86-64, arm64, s390x, riscv64). True when left out. */
  readonly hasSyscallWrapper?: boolean;
}

export interface KconfigData {
  /** The contents of the .kconfig map. */
  readonly data: Uint8Array;
  /** Why libbpf would refuse to load, in its words. */
  readonly problems: readonly string[];
}

interface Place {
  readonly extern: ExternSpec;
  readonly type: KconfigType;
  readonly view: DataView;
  readonly little: boolean;
}

/** Stores a value; returns what speaks against it. */
type Setter = (place: Place, value: string) => string | undefined;

const TRISTATE = new Map([
  ['n', 0],
  ['y', 1],
  ['m', 2],
]);

const setTri: Setter = ({ extern, type, view, little }, value) => {
  const head = `extern (kcfg) '${extern.name}': value '${value[0]}' implies`;
  switch (type.kind) {
    case 'bool':
      if (value[0] === 'm') return `${head} tristate or char type`;
      view.setUint8(0, value[0] === 'y' ? 1 : 0);
      return undefined;
    case 'tristate':
      if (extern.sizeBytes === 8) view.setBigUint64(0, BigInt(TRISTATE.get(value[0]) ?? 0), little);
      else view.setUint32(0, TRISTATE.get(value[0]) ?? 0, little);
      return undefined;
    case 'char':
      view.setUint8(0, value.charCodeAt(0));
      return undefined;
    default:
      return `${head} bool, tristate, or char type`;
  }
};

const setString: Setter = ({ extern, type, view }, value) => {
  if (type.kind !== 'char_array') return `extern (kcfg) '${extern.name}': value '${value}' implies char array type`;
  if (value.length < 2 || !value.endsWith('"')) {
    return `extern (kcfg) '${extern.name}': invalid string config '${value}'`;
  }
  const text = new TextEncoder().encode(value.slice(1, -1)).subarray(0, extern.sizeBytes - 1);
  for (let i = 0; i < extern.sizeBytes; i++) view.setUint8(i, text[i] ?? 0);
  return undefined;
};

/** `strtoull(text, …, 0)`: decimal, 0x hexadecimal, 0 octal, a sign wraps. */
function parseU64(text: string): bigint | undefined {
  const match = /^\s*([+-]?)(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)$/.exec(text);
  if (match === null) return undefined;
  const digits = /^0[0-7]+$/.test(match[2]) ? `0o${match[2].slice(1)}` : match[2];
  const magnitude = BigInt(digits);
  if (magnitude >= 1n << 64n) return undefined;
  return match[1] === '-' ? BigInt.asUintN(64, -magnitude) : magnitude;
}

function setNumber({ extern, type, view, little }: Place, value: bigint): string | undefined {
  const head = `extern (kcfg) '${extern.name}': value '${value}'`;
  if (type.kind !== 'int' && type.kind !== 'char' && type.kind !== 'bool') {
    return `${head} implies integer, char, or boolean type`;
  }
  if (type.kind === 'bool' && value > 1n) return `${head} isn't boolean compatible`;
  const bits = 8 * extern.sizeBytes;
  const cut = type.signed ? BigInt.asUintN(64, BigInt.asIntN(bits, value)) : BigInt.asUintN(bits, value);
  if (cut !== value) return `${head} doesn't fit in ${extern.sizeBytes} bytes`;
  const stored = BigInt.asUintN(bits, value);
  if (bits === 64) view.setBigUint64(0, stored, little);
  else if (bits === 32) view.setUint32(0, Number(stored), little);
  else if (bits === 16) view.setUint16(0, Number(stored), little);
  else view.setUint8(0, Number(stored));
  return undefined;
}

const setInteger: Setter = (place, value) => {
  const { name } = place.extern;
  const number = parseU64(value);
  if (number === undefined) return `extern (kcfg) '${name}': value '${value}' isn't a valid integer`;
  if (place.type.kind !== 'int' && place.type.kind !== 'char') {
    return `extern (kcfg) '${name}': value '${value}' implies integer type`;
  }
  return setNumber(place, number);
};

function setterFor(value: string): Setter {
  if (TRISTATE.has(value[0])) return setTri;
  return value[0] === '"' ? setString : setInteger;
}

/** The first value a configuration gives each name. */
function readConfig(text: string): Map<string, string> {
  const values = new Map<string, string>();
  for (const line of text.split('\n')) {
    const equals = line.startsWith('CONFIG_') ? line.indexOf('=') : -1;
    if (equals < 0) continue;
    const name = line.slice(0, equals);
    const value = line.slice(equals + 1).replace(/\r$/, '');
    if (value !== '' && !values.has(name)) values.set(name, value);
  }
  return values;
}

const VIRTUAL: ReadonlyMap<string, (values: KconfigValues) => bigint | undefined> = new Map([
  ['LINUX_KERNEL_VERSION', values => (values.kernelVersion === undefined ? undefined : BigInt(values.kernelVersion))],
  ['LINUX_HAS_BPF_COOKIE', values => (values.hasBpfCookie === false ? 0n : 1n)],
  ['LINUX_HAS_SYSCALL_WRAPPER', values => (values.hasSyscallWrapper === false ? 0n : 1n)],
]);

/**
 * The contents of the .kconfig map: `CONFIG_…` variables from a configuration, `LINUX_…` ones as libbpf defines them. Weak
 * variables without a value are zero. Source: `tools/lib/bpf/libbpf.c: bpf_object__resolve_externs,
 * bpf_object__process_kconfig_line, set_kcfg_value_tri, set_kcfg_value_str, set_kcfg_value_num`.
 */
export function kconfigData(spec: ObjectSpec, values: KconfigValues): KconfigData {
  const externs = spec.externs.filter(extern => extern.kind === 'kconfig');
  const last = externs[externs.length - 1];
  const data = new Uint8Array(last === undefined ? 0 : last.offBytes + last.sizeBytes);
  const config = readConfig(values.config ?? '');
  const problems: string[] = [];
  for (const extern of externs) {
    const type = spec.btf === undefined ? undefined : kconfigType(spec.btf, extern.typeId);
    if (type === undefined) continue;
    const view = new DataView(data.buffer, extern.offBytes, extern.sizeBytes);
    const problem = fill({ extern, type, view, little: spec.order === 'little' }, config, values);
    if (problem !== undefined) problems.push(problem);
  }
  return { data, problems };
}

function fill(place: Place, config: ReadonlyMap<string, string>, values: KconfigValues): string | undefined {
  const { name, weak } = place.extern;
  const unresolved = weak ? undefined : `extern '${name}' (strong): not resolved`;
  if (name.startsWith('CONFIG_')) {
    const value = config.get(name);
    return value === undefined ? unresolved : setterFor(value)(place, value);
  }
  const virtual = VIRTUAL.get(name);
  if (virtual !== undefined) {
    const value = virtual(values);
    return value === undefined ? unresolved : setNumber(place, value);
  }
  return name.startsWith('LINUX_') && weak ? undefined : `extern (kcfg) '${name}': unrecognized virtual extern`;
}
