import { chmodSync, mkdtempSync, rmdirSync, unlinkSync, writeFileSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { ADDON_FUNCTIONS } from '../../jit/index.ts';
import { FarcallError } from '../../util/index.ts';
import { hostTarget } from './host.ts';

/** What the addon exports. Arguments and results of the others are in the block. */
export interface Addon {
  attach(block: ArrayBuffer, gate: () => void): void;
  addressOf(buffer: ArrayBuffer | SharedArrayBuffer): void;
  reserve(): void;
  place(code: ArrayBuffer): void;
  release(): void;
  call(): void;
  enter(): void;
  direct(): (() => void) | undefined;
}

export interface AddonOptions {
  /** Folders to try; default the system's for temporary files, and those that are memory. */
  readonly folders?: readonly string[];
  /** The addon; default `NativeTarget.writeAddon`'s. */
  readonly bytes?: Uint8Array;
  /**
   * Whether code that calls no JavaScript is called without Node-API around it, which takes half the time; default where the V8 is
   * one this has been tried with.
   */
  readonly direct?: boolean;
}

/** Folders may forbid code; the others need not. */
const FOLDERS = (): readonly string[] => [tmpdir(), '/dev/shm', '/var/tmp'];

function loadFrom(folder: string, bytes: Uint8Array): Addon {
  const dir = mkdtempSync(join(folder, 'farcall-'));
  const path = join(dir, 'native.node');
  try {
    chmodSync(dir, 0o700);
    writeFileSync(path, bytes, { mode: 0o600, flag: 'wx' });
    const module = { exports: {} as Record<string, unknown> };
    process.dlopen(module, path, constants.dlopen.RTLD_NOW);
    const missing = ADDON_FUNCTIONS.filter(name => typeof module.exports[name] !== 'function');
    if (missing.length > 0) throw new Error(`the addon has no ${missing.join(', ')}`);
    return module.exports as unknown as Addon;
  } finally {
    try {
      unlinkSync(path);
    } catch {
      // It was never written.
    }
    rmdirSync(dir);
  }
}

/** Writes the addon to a file only this user can read, loads it and takes the file away. Throws `run.native-load`. */
export function loadAddon({
  folders = FOLDERS(),
  bytes = hostTarget().writeAddon(),
}: Omit<AddonOptions, 'direct'> = {}): Addon {
  const problems: string[] = [];
  for (const folder of folders) {
    try {
      return loadFrom(folder, bytes);
    } catch (error) {
      problems.push(`${folder}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  throw new FarcallError({
    code: 'run.native-load',
    message: 'native code cannot be loaded',
    expected: 'a folder for temporary files that code may be loaded from',
    found: problems.join('; '),
  });
}
