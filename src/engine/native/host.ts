import { readFileSync } from 'node:fs';
import { NATIVE_TARGETS, type NativeTarget } from '../../jit/index.ts';
import { FarcallError, InternalError } from '../../util/index.ts';

/** Oldest Node whose addons these are. */
const LEAST_NODE = 20;

/** What is known of CPUs by Node's names for them. */
interface HostCpu {
  readonly target: NativeTarget | undefined;
  /** What `/proc/cpuinfo` says of one with what later ones have: see `LinearOptions.extended`. */
  readonly extended: RegExp;
}
const CPUS: Readonly<Record<string, HostCpu>> = {
  // Nothing is written with what later ones have.
  arm64: { target: NATIVE_TARGETS.arm64, extended: /(?!)/ },
  x64: { target: NATIVE_TARGETS.x86_64, extended: /^flags\s*:.*\bbmi2\b/m },
};

/** What of a process decides whether programs can run on its CPU. */
export interface HostFacts {
  readonly platform: string;
  readonly arch: string;
  /** `process.versions`: `node`, `napi` where there are addons, `modules` for V8's binary interface. */
  readonly versions: Readonly<Record<string, string | undefined>>;
}

/** Why programs cannot run on the CPU of this process; undefined if they can. */
export function unsupportedBecause({ platform, arch, versions }: HostFacts = process): string | undefined {
  if (versions.node === undefined || versions.napi === undefined) return 'no Node with addons';
  if (platform !== 'linux') return platform;
  if (CPUS[arch]?.target === undefined) return `${platform} on ${arch}`;
  return Number.parseInt(versions.node, 10) < LEAST_NODE ? `Node ${versions.node}` : undefined;
}

/** Throws `run.native-host`. */
export function checkHost(facts?: HostFacts): void {
  const found = unsupportedBecause(facts);
  if (found === undefined) return;
  throw new FarcallError({
    code: 'run.native-host',
    message: 'programs do not run natively here; --engine wasm runs them everywhere',
    expected: `Linux on x86-64 or arm64, Node ${LEAST_NODE} or later`,
    found,
  });
}

/** NODE_MODULE_VERSION of Node 20, 22, 24 and 26. */
const TRIED_V8: ReadonlySet<string | undefined> = new Set(['115', '127', '137', '147']);
/** They give Node's versions beside their own, but have another V8 or none. */
const OTHERS = ['electron', 'bun', 'deno'];

/** Whether functions of V8's own may be made here: their binary interface is no more stable than `modules` says. */
export function hasTriedV8({ versions }: Pick<HostFacts, 'versions'> = process): boolean {
  return TRIED_V8.has(versions.modules) && OTHERS.every(name => versions[name] === undefined);
}

/** Code for this process's CPU. */
export function hostTarget(): NativeTarget {
  const target = CPUS[process.arch]?.target;
  if (target === undefined) throw new InternalError(`no code for ${process.arch}`);
  return target;
}

/** Whether the CPU has what later ones of its kind have. */
export function hasExtension(): boolean {
  try {
    return CPUS[process.arch]?.extended.test(readFileSync('/proc/cpuinfo', 'latin1')) ?? false;
  } catch {
    return false;
  }
}

const AT_PAGESZ = 6n;
/** The largest there are, where nobody says. */
const LARGEST_PAGE_BYTES = 65536;

/** Bytes of this host's pages. */
export function hostPageBytes(): number {
  try {
    const bytes = readFileSync('/proc/self/auxv');
    for (let at = 0; at + 16 <= bytes.length; at += 16) {
      if (bytes.readBigUInt64LE(at) === AT_PAGESZ) return Number(bytes.readBigUInt64LE(at + 8));
    }
  } catch {
    // Nobody says.
  }
  return LARGEST_PAGE_BYTES;
}
