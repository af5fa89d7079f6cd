import type { Btf } from '../btf/index.ts';
import {
  type Engine,
  type EngineHost,
  type EngineProgram,
  interpEngine,
  PROG_HANDLE,
  type RunResult,
} from '../engine/index.ts';
import {
  type HelperDef,
  type HelperEnv,
  helperDef,
  kfuncDef,
  mapGateDef,
  objectMaker,
  type Redirect,
  redirectsOf,
  takeSequence,
  timerExpired,
  unknownKfunc,
} from '../helpers/index.ts';
import { type Insn, LD_IMM64, makeInsn } from '../isa/index.ts';
import {
  type BpfMap,
  createMap,
  isPerfEventArrayMap,
  isProgArrayMap,
  isRingbufMap,
  type MapDef,
} from '../maps/index.ts';
import { LinearMemory } from '../mem/index.ts';
import type { ObjectSpec } from '../object/index.ts';
import { type ContextHost, CTX_BLOCK_BYTES, PACKET_BLOCK_BYTES } from '../progtypes/index.ts';
import { FarcallError } from '../util/index.ts';
import type { Verdict } from '../verifier/index.ts';
import { type Clock, StepClock } from './clock.ts';
import { type ArmedTimer, MachineEnv } from './env.ts';
import { loadObject } from './load-object.ts';
import { localTypes } from './local-types.ts';
import { ContextRunner, PacketBatch } from './packet-batch.ts';
import { packetLoad } from './packet-load.ts';
import { Prandom } from './random.ts';
import { beginRun, repeatOf, rowOf } from './run-request.ts';
import { type SharedProgram, type ShareOptions, shareProgram } from './shared-program.ts';
import { TracePipe } from './trace-pipe.ts';
import type {
  LoadedObject,
  LoadObjectOptions,
  MachineEvent,
  MachineOptions,
  MachineProgram,
  RunRequest,
  TestRunResult,
} from './types.ts';

/**
 * The running system: one linear memory with its maps, programs and current packet. Everything that is not the
 * program's own comes from options, so the same calls give the same results.
 */
export class Machine {
  readonly mem: LinearMemory;
  readonly #env: MachineEnv;
  readonly #host: EngineHost;
  readonly #contexts: ContextHost;
  readonly #engine: Engine;
  readonly #clock: Clock & { advance?(ns: bigint): void };
  readonly #pipe = new TracePipe();
  readonly #kfuncs: HelperDef[] = [];
  readonly #makers = new Map<Btf, Map<string, HelperDef | undefined>>();
  #threads = 0;

  constructor(options: MachineOptions = {}) {
    const cpuCount = options.cpuCount ?? 1;
    if (!Number.isInteger(cpuCount) || cpuCount < 1 || cpuCount > 1024) {
      throw new FarcallError({
        code: 'arg.cpu-count',
        message: 'bad number of CPUs',
        expected: '1..1024',
        found: String(cpuCount),
      });
    }
    this.#engine = options.engine ?? interpEngine;
    this.#clock = options.clock ?? new StepClock();
    this.mem = new LinearMemory(options.order, options.shared);
    this.#env = new MachineEnv({
      mem: this.mem,
      cpuCount,
      task: { pid: 1, tgid: 1, uid: 0, gid: 0, comm: 'farcall', cgroupId: 1n, ...options.task },
      clock: this.#clock,
      random: new Prandom(options.seed ?? 1),
      pipe: this.#pipe,
    });
    this.#host = this.#engineHost();
    const ctxStart = this.mem.alloc(CTX_BLOCK_BYTES);
    const packetStart = this.mem.alloc(PACKET_BLOCK_BYTES, 64);
    this.#contexts = {
      mem: this.mem,
      ctxStart,
      packetStart,
      ctxRegion: this.mem.addRegion({ kind: 'ctx', name: 'context', start: ctxStart, sizeBytes: 0 }),
      packetRegion: this.mem.addRegion({ kind: 'packet', name: 'packet', start: packetStart, sizeBytes: 0 }),
    };
  }

  #engineHost(): EngineHost {
    const env = this.#env;
    return {
      env,
      helper: id => helperDef(id) ?? mapGateDef(id),
      maps: env.maps,
      kfunc: (number, fdIdx) => (fdIdx === 0 ? this.#kfuncs[number - 1] : undefined),
      packetLoad: (off, size) => packetLoad(env.mem, env.packet, off, size),
      tailCallTarget: (mapAddr, index) => {
        const map = env.mapAt(mapAddr);
        const id = isProgArrayMap(map) ? map.progAt(index) : 0;
        return env.programs[id - 1]?.loaded;
      },
      setCallFunc: (call: HelperEnv['callFunc']) => {
        const previous = env.callFunc;
        env.callFunc = call;
        return previous;
      },
    };
  }

  get maps(): readonly BpfMap[] {
    return this.#env.maps;
  }
  get programs(): readonly MachineProgram[] {
    return this.#env.programs;
  }

  /** Throws `map.create` for what `BPF_MAP_CREATE` refuses. */
  createMap(def: MapDef): BpfMap {
    const map = createMap(this.#env, def, this.#env.maps.length + 1);
    this.#env.addMap(map);
    return map;
  }

  /** Makes an object's maps and loads its programs. Relocate it first where it has CO-RE relocations. */
  loadObject(spec: ObjectSpec, options: LoadObjectOptions = {}): LoadedObject {
    return loadObject(
      {
        mem: this.mem,
        cpuCount: this.#env.cpuCount,
        createMap: def => this.createMap(def),
        addProgram: (name, type, insns, program) =>
          this.#addProgram({
            name,
            type,
            insns,
            original: program.insns,
            spec: program,
            btf: spec.btf,
            proof: options.proofs?.get(name),
          }),
        kfuncNumber: name => this.#kfuncNumber(name, spec.btf),
      },
      spec,
      options,
    );
  }

  /**
   * Loads raw instructions. A `ld_imm64` of a map names it by its place in `maps` (BPF_PSEUDO_MAP_FD, _MAP_VALUE and the
   * two _IDX kinds alike); others are taken as they are.
   *
   * @param proof what the verifier said of these instructions
   */
  loadInsns(
    name: string,
    type: number,
    insns: readonly Insn[],
    maps: readonly BpfMap[] = [],
    proof?: Verdict,
  ): MachineProgram {
    const resolved = [...insns];
    for (let idx = 0; idx < insns.length; idx++) {
      const insn = insns[idx];
      if (insn.code !== LD_IMM64) continue;
      const map = maps[insn.imm];
      const direct = insn.src === 2 || insn.src === 6;
      if (map !== undefined && idx + 1 < insns.length && (direct || insn.src === 1 || insn.src === 5)) {
        resolved[idx] = makeInsn(LD_IMM64, insn.dst, 0, 0, direct ? map.directValueAddr(insns[idx + 1].imm) : map.addr);
        resolved[idx + 1] = makeInsn(0, 0, 0, 0, 0);
      }
      idx++;
    }
    return this.#addProgram({ name, type, insns: resolved, original: insns, proof });
  }

  #makeHandle(name: string, id: number): number {
    const start = this.mem.alloc(PROG_HANDLE.sizeBytes);
    this.mem.view.setInt32(start + PROG_HANDLE.id, id, this.mem.littleEndian);
    const sizeBytes = PROG_HANDLE.sizeBytes;
    this.mem.addRegion({ kind: 'prog', name, start, sizeBytes, readable: false, writable: false });
    return start;
  }

  #addProgram(given: Omit<EngineProgram, 'id' | 'handle' | 'exceptionCallback'>): MachineProgram {
    const { name, type, insns, spec } = given;
    const id = this.#env.programs.length + 1;
    const callback = spec?.subprogs.find(subprog => subprog.name === spec.exceptionCallback);
    const handle = this.#makeHandle(name, id);
    const source: EngineProgram = { ...given, id, handle, exceptionCallback: callback?.insnIdx };
    const loaded = this.#engine.load(source, this.#host);
    const program: MachineProgram = { id, name, type, insns, loaded, handle, spec };
    this.#env.addProgram(program);
    return program;
  }

  #kfuncNumber(name: string, btf: Btf | undefined): number {
    const maker = btf === undefined ? undefined : this.#makerOf(name, btf);
    const def = maker ?? kfuncDef(name) ?? unknownKfunc(name);
    const at = this.#kfuncs.findIndex(known => known === def || (def !== maker && known.name === name));
    return at >= 0 ? at + 1 : this.#kfuncs.push(def);
  }

  /** The kernel function for programs of one BTF, if it makes objects of their own types. */
  #makerOf(name: string, btf: Btf): HelperDef | undefined {
    let makers = this.#makers.get(btf);
    if (makers === undefined) {
      makers = new Map();
      this.#makers.set(btf, makers);
    }
    if (!makers.has(name)) makers.set(name, objectMaker(name, localTypes(btf)));
    return makers.get(name);
  }

  /**
   * Runs a program on a packet or context, as `BPF_PROG_TEST_RUN` does. A fault is a value of the result. Throws
   * `run.data`, `run.ctx`, `run.cpu`, `run.repeat` for requests the kernel would refuse and `run.type` for a program
   * without a usable type.
   */
  run(program: MachineProgram, request: RunRequest = {}): TestRunResult {
    const env = this.#env;
    const repeat = repeatOf(request);
    const { context, options } = beginRun(env, this.#contexts, program, request);
    let insnCount: number | undefined = 0;
    let probedReads = 0;
    let result: RunResult | undefined;
    const from = performance.now();
    // Runs that are repeated and not counted need no result each.
    const runner =
      repeat > 1 && request.countInsns !== true && request.insnBudget === undefined
        ? program.loaded.open?.({ ...options, ctxAddr: context.ctxAddr })
        : undefined;
    if (runner !== undefined) {
      runner.repeat(context.ctxAddr, repeat);
      runner.close();
      const { fault, r0 } = runner;
      probedReads = runner.probedReads;
      result = {
        insnCount: undefined,
        probedReads,
        ...(fault === undefined ? { ok: true, r0 } : { ok: false, fault }),
      };
      insnCount = undefined;
    }
    for (let i = 0; i < repeat && runner === undefined; i++) {
      result = program.loaded.run(BigInt(context.ctxAddr), options);
      insnCount = result.insnCount === undefined || insnCount === undefined ? undefined : insnCount + result.insnCount;
      probedReads += result.probedReads;
      if (!result.ok) break;
    }
    const durationNs = Math.round(((performance.now() - from) * 1e6) / repeat);
    env.packet = undefined;
    const redirects: readonly Redirect[] = redirectsOf(env).splice(0);
    const r0 = result?.ok === true ? result.r0 : 0n;
    return {
      fault: result?.ok === false ? result.fault : undefined,
      retval: Number(r0 & 0xffffffffn),
      r0,
      dataOut: context.dataOut(),
      ctxOut: context.ctxOut(),
      redirects,
      insnCount,
      probedReads,
      durationNs,
    };
  }

  /**
   * Holds a program ready to run often on one packet or context: nothing is laid out again between runs, and each gives a
   * number. undefined where the engine has no such way. Nothing else of the machine may run until it is closed. Throws as
   * {@link run} does.
   */
  open(program: MachineProgram, request: RunRequest = {}): ContextRunner | undefined {
    const env = this.#env;
    const { context, options } = beginRun(env, this.#contexts, program, request);
    const runner = program.loaded.open?.({ ...options, ctxAddr: context.ctxAddr });
    if (runner === undefined) return undefined;
    const close = (): void => {
      runner.close();
      env.packet = undefined;
      redirectsOf(env).splice(0);
    };
    return new ContextRunner(runner, context.ctxAddr, close);
  }

  /**
   * Packets to be run in one call, each as {@link run} would without `ctxIn`; undefined where only that can: programs that call
   * helpers outside of compiled code, that nobody verified, of types without packets, or packets no run takes or that do not
   * fit a page. Nothing else of the machine may run until it is closed.
   */
  openBatch(program: MachineProgram, packets: readonly Uint8Array[]): PacketBatch | undefined {
    const row = rowOf(program);
    if (row.packets === undefined || !packets.every(bytes => row.packets?.takes(bytes))) return undefined;
    const runner = program.loaded.open?.({ ctxAddr: this.#contexts.ctxStart });
    if (runner?.batch === undefined) {
      runner?.close();
      return undefined;
    }
    this.#env.progType = program.type;
    return new PacketBatch(this.mem, runner, packets, () => runner.close());
  }

  /**
   * A program for other threads, to be posted to one and attached there with {@link attachProgram}: the same code on the same
   * memory, so that its maps are one, with a stack, a context and room for packets of its own. undefined where the program
   * would need this machine: it calls helpers that are no map's or makes tail calls, takes addresses of functions, was not
   * verified, or the engine has no such way. Maps of such machines have all their memory from the start.
   *
   * Throws `run.not-shared` for machines without shared memory, `run.threads` when there are too many.
   */
  share(program: MachineProgram, options: ShareOptions = {}): SharedProgram | undefined {
    return shareProgram(this.mem, program, ++this.#threads, options);
  }

  /**
   * Runs a program with R1 the address of a copy of `bytes` and R2 its length: the convention of RFC 9669's
   * conformance tests. R1 is 0 when there are no bytes.
   */
  runOnMemory(program: MachineProgram, bytes: Uint8Array, options: { readonly insnBudget?: number } = {}): RunResult {
    if (bytes.length === 0) return program.loaded.run(0n, { ...options, r2: 0n });
    const start = this.mem.alloc(bytes.length);
    this.mem.write(start, bytes);
    const region = this.mem.addRegion({ kind: 'mem', name: 'memory', start, sizeBytes: bytes.length });
    try {
      return program.loaded.run(BigInt(start), { ...options, r2: BigInt(bytes.length) });
    } finally {
      bytes.set(this.mem.read(start, bytes.length));
      this.mem.removeRegion(region);
      this.mem.free(start);
    }
  }

  /** Lines of the trace pipe since the last call. */
  readTrace(): string[] {
    return this.#pipe.read();
  }

  /** What iterators wrote into their files since the last call. */
  readSequence(): Uint8Array {
    return takeSequence(this.#env);
  }

  /** Records of perf event arrays and ring buffers since the last call; they are consumed. */
  readEvents(): MachineEvent[] {
    const events: MachineEvent[] = [];
    for (const map of this.#env.maps) {
      if (isRingbufMap(map)) {
        for (const data of map.consume()) events.push({ kind: 'ringbuf', map: map.def.name, cpu: 0, data });
      } else if (isPerfEventArrayMap(map)) {
        for (const { index, data } of map.takeRecords()) {
          events.push({ kind: 'perf', map: map.def.name, cpu: index, data });
        }
      }
    }
    return events;
  }

  /**
   * Lets time pass and runs the timers that are due then, each once, in order; one that a callback arms again waits for the
   * next call, however soon it is due. Returns how many ran; a fault ends it and is returned.
   */
  advanceTime(ns: bigint): { readonly ran: number; readonly fault: RunResult | undefined } {
    this.#clock.advance?.(ns);
    const env = this.#env;
    const now = env.now('monotonic');
    const due = [...env.timers.values()]
      .filter(timer => timer.dueNs <= now)
      .sort((a, b) => (a.dueNs < b.dueNs ? -1 : 1));
    let ran = 0;
    for (const timer of due) {
      // An earlier callback may have cancelled it or armed it anew.
      if (env.timers.get(timer.addr) !== timer) continue;
      env.timers.delete(timer.addr);
      timerExpired(env, timer.addr);
      const result = this.#runTimer(timer);
      ran++;
      if (!result.ok) return { ran, fault: result };
    }
    return { ran, fault: undefined };
  }

  /** Calls back with map, key and value. */
  #runTimer({ map, addr, funcAddr }: ArmedTimer): RunResult {
    const place = this.#valueHolding(map, addr);
    const args = [map.addr, place.keyAddr, place.valueAddr].map(BigInt);
    return this.#engine.callFunction(this.#host, funcAddr, args);
  }

  #valueHolding(map: BpfMap, addr: number): { keyAddr: number; valueAddr: number } {
    let found = { keyAddr: 0, valueAddr: addr };
    const look = (keyAddr: number, valueAddr: number): number => {
      if (addr < valueAddr || addr >= valueAddr + map.def.valueSizeBytes) return 0;
      found = { keyAddr, valueAddr };
      return 1;
    };
    map.forEach(look);
    return found;
  }
}

/** A fresh machine. */
export function createMachine(options: MachineOptions = {}): Machine {
  return new Machine(options);
}
