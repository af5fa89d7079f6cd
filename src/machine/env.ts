import {
  dropFieldObjects,
  forgetTimer,
  forgetWork,
  type HelperEnv,
  type PacketAccess,
  ProgramFault,
  type TaskInfo,
} from '../helpers/index.ts';
import { MAIN_STATE, mapOps, RUN_STATE } from '../jit/index.ts';
import { type BpfMap, isPerfEventArrayMap, type MapField, type MapOps } from '../maps/index.ts';
import type { LinearMemory } from '../mem/index.ts';
import { ERRNO } from '../uapi/index.ts';
import { u64Of } from '../util/index.ts';
import type { Clock } from './clock.ts';
import type { Prandom } from './random.ts';
import type { TracePipe } from './trace-pipe.ts';
import type { MachineProgram } from './types.ts';

/** TAI is ahead of UTC by this since 2017. */
const TAI_OFFSET_NS = 37_000_000_000n;

/** A timer a program armed: `bpf_timer_start`. */
export interface ArmedTimer {
  readonly addr: number;
  readonly funcAddr: number;
  readonly map: BpfMap;
  readonly dueNs: bigint;
}

/** What helpers see of a machine. One object for the machine's life; the fields of the current run change. */
export class MachineEnv implements HelperEnv {
  readonly mem: LinearMemory;
  readonly ops: MapOps;
  readonly regs = new Int32Array(22);
  readonly cpuCount: number;
  readonly task: TaskInfo;
  readonly maps: BpfMap[] = [];
  readonly programs: MachineProgram[] = [];
  readonly timers = new Map<number, ArmedTimer>();
  #cpu = 0;
  progType = 0;
  ctxAddr = 0;
  packet: PacketAccess | undefined;
  callFunc: HelperEnv['callFunc'] = noCallFunc;
  readonly #mapsByAddr = new Map<number, BpfMap>();
  readonly #progsByHandle = new Map<number, number>();
  /** Program type a prog array is bound to: that of its first program. */
  readonly #owners = new WeakMap<BpfMap, number>();
  readonly #state = new Map<symbol, unknown>();
  readonly #clock: Clock;
  readonly #random: Prandom;
  readonly #pipe: TracePipe;

  constructor(parts: {
    mem: LinearMemory;
    cpuCount: number;
    task: TaskInfo;
    clock: Clock;
    random: Prandom;
    pipe: TracePipe;
  }) {
    this.mem = parts.mem;
    this.ops = mapOps(parts.mem, this);
    this.cpuCount = parts.cpuCount;
    this.task = parts.task;
    this.#clock = parts.clock;
    this.#random = parts.random;
    this.#pipe = parts.pipe;
  }

  get cpu(): number {
    return this.#cpu;
  }
  /** Where code that runs in the memory finds it, too. */
  set cpu(cpu: number) {
    this.#cpu = cpu;
    this.mem.i32[(MAIN_STATE + RUN_STATE.cpu) >> 2] = cpu;
  }

  addMap(map: BpfMap): void {
    this.maps.push(map);
    this.#mapsByAddr.set(map.addr, map);
  }

  randomU32(): number {
    return this.#random.u32();
  }
  mapAt(addr: number): BpfMap | undefined {
    return this.#mapsByAddr.get(addr);
  }
  mapById(id: number): BpfMap | undefined {
    return this.maps[id - 1];
  }

  /** Source: `kernel/bpf/core.c: bpf_prog_map_compatible`, of which only the type matters here. */
  checkProg(map: BpfMap, progId: number): number {
    const program = this.programs[progId - 1];
    if (program === undefined) return -ERRNO.EBADF;
    const owner = this.#owners.get(map);
    if (owner !== undefined && owner !== program.type) return -ERRNO.EINVAL;
    this.#owners.set(map, program.type);
    return 0;
  }

  progHandle(progId: number): number {
    return this.programs[progId - 1]?.handle ?? 0;
  }
  progIdAt(addr: number): number {
    return this.#progsByHandle.get(addr) ?? 0;
  }
  addProgram(program: MachineProgram): void {
    this.programs.push(program);
    this.#progsByHandle.set(program.handle, program.id);
  }

  freeField(_map: BpfMap, field: MapField, addr: number): void {
    if (field.kind === 'timer') forgetTimer(this, addr);
    else if (field.kind === 'workqueue') forgetWork(this, addr);
    else dropFieldObjects(this, field.kind, addr);
  }

  arg64(n: 1 | 2 | 3 | 4 | 5): bigint {
    return u64Of(this.regs[2 * n + 1], this.regs[2 * n]);
  }

  now(clock: 'monotonic' | 'boottime' | 'realtime' | 'tai'): bigint {
    switch (clock) {
      case 'realtime':
        return this.#clock.realtimeNs();
      case 'tai':
        return this.#clock.realtimeNs() + TAI_OFFSET_NS;
      default:
        return this.#clock.monotonicNs();
    }
  }

  trace(text: string): void {
    this.#pipe.write(text, this.task, this.cpu, this.#clock.monotonicNs());
  }

  perfOutput(map: BpfMap, cpu: number, data: Uint8Array): number {
    return isPerfEventArrayMap(map) ? map.output(cpu, data) : -ERRNO.EINVAL;
  }

  setTimer(addr: number, funcAddr: number, map: BpfMap, dueNs: bigint | undefined): void {
    if (dueNs === undefined) this.timers.delete(addr);
    else this.timers.set(addr, { addr, funcAddr, map, dueNs });
  }

  state<T>(key: symbol, make: () => T): T {
    if (!this.#state.has(key)) this.#state.set(key, make());
    return this.#state.get(key) as T;
  }
}

/** Between runs there is nobody to call back. */
export const noCallFunc: HelperEnv['callFunc'] = () => {
  throw new ProgramFault('bad-call', 'no program is running that could be called back');
};
