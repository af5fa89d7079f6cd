import { readFileSync } from 'node:fs';
import { FarcallError } from '../../util/index.ts';

/** Oldest Node whose addons these are. */
const LEAST_NODE = 20;

/** What of a process decides whether programs can run on its CPU. */
export interface HostFacts {
  readonly platform: string;
  readonly arch: string;
  /** `process.versions`: `node`, and `napi` where there are addons. */
  readonly versions: Readonly<Record<string, string | undefined>>;
}

/** Why programs cannot run on the CPU of this process; undefined if they can. */
export function unsupportedBecause({ platform, arch, versions }: HostFacts = process): string | undefined {
  if (versions.node === undefined || versions.napi === undefined) return 'no Node with addons';
  if (platform !== 'linux') return platform;
  if (arch !== 'x64') return `${platform} on ${arch}`;
  return Number.parseInt(versions.node, 10) < LEAST_NODE ? `Node ${versions.node}` : undefined;
}

/** Throws `run.native-host`. */
export function checkHost(facts?: HostFacts): void {
  const found = unsupportedBecause(facts);
  if (found === undefined) return;
  throw new FarcallError({
    code: 'run.native-host',
    message: 'programs do not run natively here; --engine wasm runs them everywhere',
    expected: `Linux on x86-64, Node ${LEAST_NODE} or later`,
    found,
  });
}

/** Whether the CPU has BMI2. */
export function hasBmi2(): boolean {
  try {
    return /^flags\s*:.*\bbmi2\b/m.test(readFileSync('/proc/cpuinfo', 'latin1'));
  } catch {
    return false;
  }
}
