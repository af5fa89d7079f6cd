import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type EmulatedCpu,
  type EmulatorOptions,
  emulatorEngine,
  type JitLoadedProgram,
} from '../../src/engine/index.ts';
import { findTarget, type JitMode } from '../../src/jit/index.ts';
import { customLayout, type KernelArch, type LayoutRow, type Placement } from '../../src/kernels/index.ts';
import {
  createMachine,
  executableOf,
  expectedLine,
  GateTable,
  type Machine,
  type RecordedRun,
  RunRecorder,
} from '../../src/machine/index.ts';
import { FarcallError } from '../../src/util/index.ts';
import { Random } from './random.ts';

/** What is compiled for. */
export interface ThreeWayConfig {
  /** A row of TARGETS. */
  readonly target: string;
  readonly cpu: string;
  readonly mode: JitMode;
  /** The emulated CPU, where the library has none for the target. */
  readonly makeCpu?: (options: EmulatorOptions) => EmulatedCpu;
}

/** Chooses where the functions of subject `index` go, which has `stride` bytes of addresses to itself. */
export interface Place {
  readonly name: string;
  of(index: number, stride: bigint, arch?: KernelArch): (program: string, func: number) => Placement | undefined;
}

/** Something to run: loads itself into a machine and says what came of each run, as text. */
export interface Subject {
  readonly name: string;
  /** A line a run: results and whatever of memory can be told without addresses. Starts with `fault` for a fault. */
  run(machine: Machine): string[];
}

export interface Difference {
  readonly subject: Subject;
  readonly place: Place;
  readonly between: 'interpreter and emulator' | 'emulator and qemu';
  readonly expected: string;
  readonly found: string;
}

export interface ThreeWayResult {
  /** Subjects whose runs all three agree on. */
  agreed: number;
  /** Runs of executables whose line was compared. */
  runs: number;
  /** Subjects left out: the interpreter faults, or the JIT leaves them to it; by reason. */
  readonly skipped: Map<string, number>;
  readonly differences: Difference[];
}

const TEXT = 0x1000000000n;
const IMAGES = 0x1020000000n;
/** Addresses a subject has for itself. */
const STRIDE = 0x40000n;
/** … where there are few of them, or the CPU's shortest call reaches the next subject. */
const WIDE_STRIDE = 0x400000n;
export const FEW_SUBJECTS = 7;
/** Subjects of one executable: more would meet those 32 MB further on. */
export const MOST_SUBJECTS = 120;
const FAR = [0x210000000000n, 0x400000000000n, 0x700000000000n];
/** How far the forms of a call reach, both ways. */
const REACHES: Partial<Record<KernelArch, readonly bigint[]>> = {
  ppc64: [0x2000000n, 0x80000000n, 0x200000000n],
  x86_64: [0x80000000n],
  arm64: [0x8000000n, 0x100000000n],
  riscv64: [0x100000n, 0x80000000n],
  s390x: [0x100000000n],
};

const strideOf = (arch: KernelArch, count: number): bigint =>
  count <= FEW_SUBJECTS || arch === 'riscv64' ? WIDE_STRIDE : STRIDE;

/** User space: text at 64 GB, images of subject `index` where no other's are. */
export function userLayout(index: number, stride = STRIDE, arch: KernelArch = 'ppc64'): LayoutRow {
  const start = IMAGES + BigInt(index) * stride;
  const images = { start, end: start + stride };
  return customLayout({
    name: `user-${index}`,
    arch,
    textBase: TEXT,
    modules: images,
    images,
    linearMap: { start: 0x10000n, end: 0x80000000n },
    userLimit: 0xffffn,
    packBytes: Number(STRIDE) / 2,
    pageBytes: 0x10000,
  });
}

/** Only functions of the first program to be loaded are placed by design. */
function ofFirst(place: (func: number) => Placement): (program: string, func: number) => Placement | undefined {
  let first: string | undefined;
  return (program, func) => {
    first ??= program;
    return program === first ? place(func) : undefined;
  };
}

const baseOf = (index: number, stride: bigint): bigint => IMAGES + BigInt(index) * stride + 0x1000n;
const slotOf = (func: number): bigint => BigInt(func) * 0x2000n;

/** Where functions lie: beside each other, around the reach of branches, or terabytes apart. */
export const PLACES: Readonly<Record<'near' | 'edge' | 'far', Place>> = {
  near: { name: 'near', of: () => () => undefined },
  edge: {
    name: 'edge',
    of(index, stride, arch = 'ppc64') {
      const base = baseOf(index, stride);
      const random = new Random(index ^ 0x51ab);
      // Each edge once, or images would overlap.
      const edges = (REACHES[arch] ?? []).flatMap(reach => [reach, -reach]);
      return ofFirst(func => {
        const out = func > 0 && edges.length > 0 && random.chance(70);
        if (!out) return { at: base + slotOf(func) };
        const [edge] = edges.splice(random.below(edges.length), 1);
        // As seen from main, or from another caller.
        const caller = random.chance(50) ? 0 : random.below(func);
        return { at: base + slotOf(caller) + edge + BigInt(4 * random.between(-256, 256)) };
      });
    },
  },
  far: {
    name: 'far',
    of(index, stride) {
      const random = new Random(index ^ 0x51ab);
      return ofFirst(func => {
        const region = func === 0 ? IMAGES : random.pick([IMAGES, ...FAR]);
        return { at: region + BigInt(index) * stride + slotOf(func) };
      });
    },
  },
};

/** The second function exactly this far behind the first. */
export function apart(distance: bigint): Place {
  return {
    name: `${distance} bytes`,
    of: (index, stride) => ofFirst(func => ({ at: baseOf(index, stride) + (func === 0 ? 0n : distance) })),
  };
}

/** The first function exactly here. */
export function at(addr: bigint): Place {
  return { name: `at 0x${addr.toString(16)}`, of: () => ofFirst(func => ({ at: addr + slotOf(func) })) };
}

/** Bytes code is aligned to, where that is more than an instruction's. */
const CODE_ALIGN: Partial<Record<KernelArch, bigint>> = { s390x: 8n };

/** The same places as far as the CPU's kernels put code there. */
function aligned(place: Place, arch: KernelArch): Place {
  const mask = -(CODE_ALIGN[arch] ?? 1n);
  return {
    name: place.name,
    of(index, stride) {
      const inner = place.of(index, stride, arch);
      return (program, func) => {
        const placement = inner(program, func);
        return placement?.at === undefined ? placement : { at: placement.at & mask };
      };
    },
  };
}

/** A program as executables and their expectations see it. */
interface Recorded {
  readonly subject: Subject;
  readonly place: Place;
  readonly runs: readonly RecordedRun[];
}

/** Why one of a machine's programs is left to the interpreter: then results say nothing of compiled code. */
function notCompiled(machine: Machine): string | undefined {
  const outcomes = machine.programs.map(({ loaded }) => (loaded as JitLoadedProgram).outcome);
  const interpreted = outcomes.find(outcome => !outcome.jited);
  return interpreted?.jited === false ? `not compiled: ${interpreted.reason?.message}` : undefined;
}

/** In place of a path of qemu: this machine's own CPU runs the code. */
export const NATIVE = 'native';

/** Runs an executable under qemu-user, or {@link NATIVE}; its lines. */
export function runQemu(qemu: string, cpu: string, exe: Uint8Array): { lines: string[]; problem: string } {
  const dir = mkdtempSync(join(tmpdir(), 'farcall-qemu-'));
  try {
    const path = join(dir, 'prog');
    writeFileSync(path, exe, { mode: 0o755 });
    const { stdout, stderr, status, signal, error } = spawnSync(...command(qemu, cpu, path), {
      encoding: 'utf8',
      maxBuffer: 1 << 30,
      timeout: 600_000,
    });
    if (error !== undefined) throw error;
    const problem = status === 0 ? '' : `${qemu} ended with ${status ?? signal}: ${stderr.trim()}`;
    return { lines: stdout.split('\n').slice(0, -1), problem };
  } finally {
    rmSync(dir, { recursive: true });
  }
}

/** What qemu calls CPUs, where it has other names than the targets. */
const QEMU_CPUS: Readonly<Record<string, string>> = {
  'armv8-a': 'cortex-a53',
  'armv8.1-a': 'max',
  // qemu has not all of any of them: the CPU with all it knows.
  z13: 'max',
  z15: 'max',
  rv64gc: 'rv64,zba=false,zbb=false',
  rv64gc_zba_zbb: 'rv64,zba=true,zbb=true',
};

function command(qemu: string, cpu: string, path: string): [string, string[]] {
  return qemu === NATIVE ? [path, []] : [qemu, ['-cpu', QEMU_CPUS[cpu] ?? cpu, path]];
}

/**
 * Runs subjects by interpreter, by emulated CPU, and as executables under qemu, and collects what differs. At most
 * {@link MOST_SUBJECTS} at a time; objects of several programs at most {@link FEW_SUBJECTS}.
 *
 * @param qemu its path, or {@link NATIVE}; undefined leaves executables out
 */
export function threeWay(
  subjects: readonly Subject[],
  config: ThreeWayConfig,
  placeOf: (index: number) => Place,
  qemu: string | undefined,
): ThreeWayResult {
  const result: ThreeWayResult = { agreed: 0, runs: 0, skipped: new Map(), differences: [] };
  const target = findTarget(config.target);
  const stride = strideOf(target.arch, subjects.length);
  const gates = new GateTable();
  const recorded: Recorded[] = [];
  const skip = (reason: string): void => void result.skipped.set(reason, (result.skipped.get(reason) ?? 0) + 1);
  subjects.forEach((subject, index) => {
    const place = aligned(placeOf(index), target.arch);
    const expected = subject.run(createMachine({ order: target.order }));
    const fault = expected.find(line => line.startsWith('fault'));
    if (fault !== undefined) {
      skip(fault);
      return;
    }
    const recorder = new RunRecorder({ gates });
    const engine = emulatorEngine({
      ...config,
      layout: userLayout(index, stride, target.arch),
      placement: place.of(index, stride),
      wrapCpu: (options, space, make) => recorder.wrapCpu(options, space, config.makeCpu ?? make),
    });
    const machine = createMachine({ order: target.order, engine });
    let found: string[];
    try {
      found = subject.run(machine);
    } catch (error) {
      if (!(error instanceof FarcallError) || error.code !== 'run.refused') throw error;
      skip(error.problem);
      return;
    }
    const left = notCompiled(machine);
    if (left !== undefined) {
      skip(left);
      return;
    }
    const at = expected.findIndex((line, i) => line !== found[i]);
    if (at >= 0) {
      const between = 'interpreter and emulator';
      result.differences.push({ subject, place, between, expected: expected[at], found: found[at] ?? 'nothing' });
    } else recorded.push({ subject, place, runs: recorder.runs });
  });
  if (recorded.length === 0 || qemu === undefined) return result;
  const runs = recorded.flatMap(each => each.runs);
  const exe = executableOf(runs, { target, cpu: config.cpu, format: 'lines', limitSeconds: 60 });
  const { lines, problem } = runQemu(qemu, config.cpu, exe);
  let at = 0;
  for (const { subject, place, runs: own } of recorded) {
    const from = at;
    at += own.length;
    const wrong = own.findIndex((run, i) => expectedLine(run, from + i) !== lines[from + i]);
    result.runs += own.length;
    if (wrong < 0) result.agreed++;
    else {
      const expected = expectedLine(own[wrong], from + wrong) ?? 'a fault';
      const found = lines[from + wrong] ?? `nothing; ${problem}`;
      result.differences.push({ subject, place, between: 'emulator and qemu', expected, found });
    }
  }
  if (problem !== '' && result.differences.length === 0) throw new Error(problem);
  return result;
}
