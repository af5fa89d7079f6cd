import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { openBtf } from '../../../src/btf/index.ts';
import { type KernelImage, kernelImage } from '../../../src/kernels/index.ts';
import { loaderLog, type PreparedObject, prepareObject } from '../../../src/machine/index.ts';
import { type ObjectMap, type ObjectSpec, openObject } from '../../../src/object/index.ts';
import { bpf_map_type as M } from '../../../src/uapi/index.ts';
import type { VerifierKernel, VerifyInput } from '../../../src/verifier/index.ts';
import { parseProgs } from '../prog-file.ts';
import { verifyInputOf } from '../verify-input.ts';
import { type Expectation, expectations } from './expected.ts';

/** A program as the lab loaded it, or why it was not. */
export interface Subject {
  readonly input: VerifyInput | undefined;
  readonly problem: { readonly errno: number; readonly message: string } | undefined;
  readonly expected: Expectation | undefined;
  /** Loaded without capabilities. */
  readonly unprivileged: boolean;
  /** The log as the lab's loader shows it. */
  readonly loaderLog: (log: string) => string;
}

interface OpenFile {
  readonly prepared?: PreparedObject;
  readonly progs?: ReadonlyMap<string, { readonly input: VerifyInput; readonly unprivileged: boolean }>;
  readonly expected?: ReadonlyMap<string, Expectation>;
}

const NO_ENTRIES: ReadonlySet<number> = new Set([
  M.BPF_MAP_TYPE_SK_STORAGE,
  M.BPF_MAP_TYPE_TASK_STORAGE,
  M.BPF_MAP_TYPE_INODE_STORAGE,
  M.BPF_MAP_TYPE_CGRP_STORAGE,
]);
const MAX_RINGBUF = 1 << 22;

/** What the lab's guest changes of maps before it loads an object. */
function labMap(map: ObjectMap): ObjectMap {
  let { def } = map;
  const { type } = def;
  if (type === M.BPF_MAP_TYPE_RINGBUF && def.maxEntries > MAX_RINGBUF) def = { ...def, maxEntries: MAX_RINGBUF };
  if (def.maxEntries === 0 && !NO_ENTRIES.has(type)) {
    const ring = type === M.BPF_MAP_TYPE_RINGBUF || type === M.BPF_MAP_TYPE_USER_RINGBUF;
    def = { ...def, maxEntries: ring ? 4096 : 64 };
  }
  if (type === M.BPF_MAP_TYPE_STACK_TRACE && def.valueSizeBytes === 0) {
    def = { ...def, keySizeBytes: 4, valueSizeBytes: 127 * 8 };
  }
  return def === map.def ? map : { ...map, def };
}

/** An object as the lab's guest changes it before it loads it: maps; programs of unknown type are socket filters. */
export function labSpec(spec: ObjectSpec): ObjectSpec {
  const programs = spec.programs.map(prog => (prog.type === 0 ? { ...prog, type: 1 } : prog));
  return { ...spec, programs, maps: spec.maps.map(labMap) };
}

/** Objects and `.prog` files of a directory as a kernel of the lab gets them; each is opened once. */
export class Subjects {
  readonly kernel: VerifierKernel;
  readonly #dir: string;
  readonly #kernelVersion: number;
  #file = '';
  #open: OpenFile = {};

  /** @param release as the lab writes it: `6.12.107+deb13-amd64` */
  constructor(dir: string, release: string, btfFile: string | undefined) {
    const [, major, minor, patch, arch] = /^(\d+)\.(\d+)\.(\d+).*-([a-z0-9]+)$/.exec(release) ?? [];
    const version = `${major}.${minor}`;
    const image: KernelImage = kernelImage(`${version}-${arch === 'powerpc64le' ? 'ppc64el' : arch}`);
    const bytes = readFileSync(btfFile ?? new URL('../../../assets/btf/vmlinux-6.12-amd64.btf.gz', import.meta.url));
    const btf = openBtf(new Uint8Array(bytes[0] === 0x1f ? gunzipSync(bytes) : bytes));
    this.kernel = { version, arch: image.arch, btf, image };
    this.#dir = dir;
    this.#kernelVersion = (Number(major) << 16) | (Number(minor) << 8) | Math.min(255, Number(patch));
  }

  subject(file: string, prog: string): Subject {
    if (this.#file !== file) {
      this.#file = file;
      this.#open = file.endsWith('.prog') ? this.#openProgs(file) : this.#openObject(file);
    }
    const { prepared, progs, expected } = this.#open;
    const asIs = (log: string): string => log;
    if (prepared === undefined) {
      const entry = progs?.get(prog);
      if (entry === undefined) throw new Error(`${file} has no program ${prog}`);
      return { ...entry, problem: undefined, expected: undefined, loaderLog: asIs };
    }
    const program = prepared.spec.programs.find(row => row.name === prog);
    if (program === undefined) throw new Error(`${file} has no program ${prog}`);
    const { input, problem } = prepared.prepare(program);
    const text = (log: string): string => loaderLog(log, program, prepared.spec);
    return { input, problem, expected: expected?.get(prog), unprivileged: false, loaderLog: text };
  }

  #openObject(file: string): OpenFile {
    const bytes = new Uint8Array(readFileSync(join(this.#dir, file)));
    const opened = openObject(bytes, { name: basename(file), file });
    const { btf, image } = this.kernel;
    const prepared = prepareObject(labSpec(opened), {
      kernelBtf: btf,
      image,
      kconfig: { kernelVersion: this.#kernelVersion },
    });
    return { prepared, expected: opened.btf === undefined ? undefined : expectations(opened.btf) };
  }

  #openProgs(file: string): OpenFile {
    const entries = parseProgs(readFileSync(join(this.#dir, file), 'utf8'));
    const progs = entries.map(
      entry => [entry.name, { input: verifyInputOf(entry), unprivileged: entry.unprivileged ?? false }] as const,
    );
    return { progs: new Map(progs) };
  }
}
