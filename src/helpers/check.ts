import type { Access } from '../mem/index.ts';
import { hex64, u64Of } from '../util/index.ts';
import {
  type ArgProto,
  type FaultKind,
  type HelperDef,
  type HelperEnv,
  type HelperProto,
  ProgramFault,
} from './types.ts';

/** Bytes of `struct bpf_spin_lock`, `struct bpf_timer` and `struct bpf_dynptr`. */
export const SPIN_LOCK_BYTES = 4;
export const TIMER_BYTES = 16;
export const DYNPTR_BYTES = 16;

type Check = (env: HelperEnv) => void;

/** The whole argument in register `reg`, for messages. */
function value(env: HelperEnv, reg: number): bigint {
  return u64Of(env.regs[2 * reg + 1], env.regs[2 * reg]);
}

function fail(env: HelperEnv, name: string, reg: number, kind: FaultKind, what: string, sizeBytes?: number): never {
  const addr = value(env, reg);
  throw new ProgramFault(kind, `${name}: r${reg} = ${hex64(addr)}: ${what}`, addr, sizeBytes);
}

/** Checks that `size` bytes at the address in `reg` may be accessed. */
function checkMemory(env: HelperEnv, name: string, reg: number, size: number, access: Access): void {
  const high = env.regs[2 * reg + 1];
  const addr = env.regs[2 * reg];
  if (high === 0 && addr > 0 && env.mem.accessible(addr, size, access) !== undefined) return;
  const region = high === 0 && addr > 0 ? env.mem.regionAt(addr) : undefined;
  if (region === undefined) {
    const what = high === 0 && addr === 0 ? 'NULL where memory is needed' : `no memory of ${size} bytes there`;
    fail(env, name, reg, 'out-of-bounds', what, size);
  }
  const at = `${region.kind} ${region.name}+${addr - region.start}`;
  const denied = !(access === 'read' ? region.readable : region.writable);
  if (denied)
    fail(env, name, reg, 'write-protected', `${at} may not be ${access === 'read' ? 'read' : 'written'}`, size);
  fail(env, name, reg, 'out-of-bounds', `${access} of ${size} bytes reaches outside ${at}`, size);
}

const isNull = (env: HelperEnv, reg: number): boolean => (env.regs[2 * reg] | env.regs[2 * reg + 1]) === 0;

function accessOf(arg: ArgProto): Access {
  return arg.flags?.includes('MEM_WRITE') === true || arg.flags?.includes('MEM_UNINIT') === true ? 'write' : 'read';
}

/** `reg` points to memory whose size is in the next register. */
function sizedMemory(name: string, reg: number, arg: ArgProto, zeroAllowed: boolean): Check {
  const access = accessOf(arg);
  return env => {
    const size = env.regs[2 * reg + 2];
    if (env.regs[2 * reg + 3] !== 0 || size < 0) fail(env, name, reg + 1, 'bad-argument', 'not a usable size');
    if (size === 0) {
      if (!zeroAllowed) fail(env, name, reg + 1, 'bad-argument', 'a size of 0 is not allowed');
      return;
    }
    checkMemory(env, name, reg, size, access);
  };
}

function fixedMemory(name: string, reg: number, size: number, access: Access, alignBytes = 1): Check {
  return env => {
    checkMemory(env, name, reg, size, access);
    if (env.regs[2 * reg] % alignBytes !== 0) {
      fail(env, name, reg, 'bad-argument', `not aligned to ${alignBytes} bytes`, size);
    }
  };
}

function mapArg(name: string, reg: number): Check {
  return env => {
    if (env.regs[2 * reg + 1] === 0 && env.mapAt(env.regs[2 * reg]) !== undefined) return;
    fail(env, name, reg, 'bad-argument', 'not a map');
  };
}

/** Key or value of the map in register `mapReg`, which has been checked. */
function mapMemory(name: string, reg: number, mapReg: number, arg: ArgProto): Check {
  const access = accessOf(arg);
  const key = arg.type === 'ARG_PTR_TO_MAP_KEY';
  return env => {
    const def = env.mapAt(env.regs[2 * mapReg])!.def;
    const size = key ? def.keySizeBytes : def.valueSizeBytes;
    if (size > 0) checkMemory(env, name, reg, size, access);
  };
}

function constString(name: string, reg: number): Check {
  return env => {
    checkMemory(env, name, reg, 1, 'read');
    const { u8 } = env.mem;
    const addr = env.regs[2 * reg];
    const end = u8.indexOf(0, addr);
    checkMemory(env, name, reg, (end < 0 ? u8.length : end) + 1 - addr, 'read');
  };
}

/** The check of one argument, or undefined where any value goes. */
function compileArg(proto: HelperProto, name: string, index: number): Check | undefined {
  const arg = proto.args[index];
  const reg = index + 1;
  switch (arg.type) {
    case 'ARG_CONST_MAP_PTR':
      return mapArg(name, reg);
    case 'ARG_PTR_TO_MAP_KEY':
    case 'ARG_PTR_TO_MAP_VALUE': {
      const mapIndex = proto.args.findIndex(other => other.type === 'ARG_CONST_MAP_PTR');
      return mapIndex < 0 ? undefined : mapMemory(name, reg, mapIndex + 1, arg);
    }
    case 'ARG_PTR_TO_MEM': {
      if (arg.sizeBytes !== undefined) {
        const align = arg.flags?.includes('MEM_ALIGNED') === true ? arg.sizeBytes : 1;
        return fixedMemory(name, reg, arg.sizeBytes, accessOf(arg), align);
      }
      const size = proto.args[index + 1]?.type;
      return size === 'ARG_CONST_SIZE' || size === 'ARG_CONST_SIZE_OR_ZERO'
        ? sizedMemory(name, reg, arg, size === 'ARG_CONST_SIZE_OR_ZERO')
        : undefined;
    }
    case 'ARG_PTR_TO_CTX':
      return env => {
        if (env.regs[2 * reg + 1] !== 0 || env.regs[2 * reg] !== env.ctxAddr) {
          fail(env, name, reg, 'bad-argument', 'not the context of this run');
        }
      };
    case 'ARG_PTR_TO_SPIN_LOCK':
      return fixedMemory(name, reg, SPIN_LOCK_BYTES, 'write', SPIN_LOCK_BYTES);
    case 'ARG_PTR_TO_TIMER':
      return fixedMemory(name, reg, TIMER_BYTES, 'write', 8);
    case 'ARG_KPTR_XCHG_DEST':
      return fixedMemory(name, reg, 8, 'write', 8);
    case 'ARG_PTR_TO_DYNPTR':
      return fixedMemory(name, reg, DYNPTR_BYTES, accessOf(arg), 8);
    case 'ARG_PTR_TO_STACK':
      return env => checkMemory(env, name, reg, 1, 'read');
    case 'ARG_PTR_TO_CONST_STR':
      return constString(name, reg);
    case 'ARG_PTR_TO_FUNC':
      return env => {
        const addr = env.regs[2 * reg];
        if (env.regs[2 * reg + 1] === 0 && addr > 0 && env.mem.regionAt(addr)?.kind === 'func') return;
        fail(env, name, reg, 'bad-argument', 'not the address of a function');
      };
    default:
      return undefined;
  }
}

function orNull(check: Check, reg: number): Check {
  return env => {
    if (!isNull(env, reg)) check(env);
  };
}

/** Turns a contract into the checks a call needs at run time, in order of the arguments. */
export function compileChecks(name: string, proto: HelperProto): Check {
  const checks: Check[] = [];
  for (let index = 0; index < proto.args.length; index++) {
    const check = compileArg(proto, name, index);
    if (check === undefined) continue;
    const arg = proto.args[index];
    // Sized memory may be null only with size 0, which its own check lets pass.
    const nullable = arg.flags?.includes('PTR_MAYBE_NULL') === true && arg.type !== 'ARG_PTR_TO_MEM';
    checks.push(nullable ? orNull(check, index + 1) : check);
  }
  if (checks.length === 0) return () => {};
  if (checks.length === 1) return checks[0];
  if (checks.length === 2) {
    const [first, second] = checks;
    return env => {
      first(env);
      second(env);
    };
  }
  return env => {
    for (let i = 0; i < checks.length; i++) checks[i](env);
  };
}

/**
 * Checks a call's arguments, in `env.regs`, against the helper's contract: maps are maps, keys, values and buffers lie
 * in memory the program may access, the context is this run's. Throws {@link ProgramFault} otherwise.
 *
 * Differs from Linux: there the verifier proves all this before the program runs. What only it can know (which program
 * types may call the helper, reference counts, BTF types, constness) is not checked here.
 */
export function checkHelperArgs(env: HelperEnv, def: HelperDef): void {
  (def.check ?? compileChecks(def.name, protoFor(def, env.progType)))(env);
}

/** The contract a helper has in programs of a type. */
function protoFor(def: HelperDef, progType: number): HelperProto {
  return def.variants?.find(({ progTypes }) => progTypes.includes(progType))?.proto ?? def.proto;
}

/** A helper's row, its argument checks compiled, once for each of its contracts. */
export function defineHelper(def: HelperDef): HelperDef {
  const compiled = new Map<HelperProto, Check>();
  const checkOf = (proto: HelperProto): Check => {
    const check = compiled.get(proto) ?? compileChecks(def.name, proto);
    compiled.set(proto, check);
    return check;
  };
  if (def.variants !== undefined) return { ...def, check: env => checkOf(protoFor(def, env.progType))(env) };
  let only: Check | undefined;
  return {
    ...def,
    check: env => {
      only ??= compileChecks(def.name, def.proto);
      only(env);
    },
  };
}
