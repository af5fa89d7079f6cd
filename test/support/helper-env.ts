import {
  type HelperDef,
  type HelperEnv,
  helperByName,
  kfuncDef,
  type PacketAccess,
  type TaskInfo,
} from '../../src/helpers/index.ts';
import type { BpfMap } from '../../src/maps/index.ts';
import type { Region, RegionKind } from '../../src/mem/index.ts';
import {
  type ContextHost,
  CTX_BLOCK_BYTES,
  PACKET_BLOCK_BYTES,
  progTypeRow,
  type RunContext,
} from '../../src/progtypes/index.ts';
import { hi32, InternalError, lo32, u64Of } from '../../src/util/index.ts';
import { TestMapHost } from './map-host.ts';

/** Where helpers can be called without an engine: registers, one packet, maps, and a record of what reached the outside. */
export class TestHelperEnv extends TestMapHost implements HelperEnv {
  readonly regs = new Int32Array(22);
  readonly lines: string[] = [];
  readonly records: { map: string; cpu: number; data: Uint8Array }[] = [];
  readonly timers = new Map<number, bigint | undefined>();
  /** Arguments of every call of a function, and what the next calls return (0 when empty). */
  readonly calls: (number | bigint)[][] = [];
  readonly returns: number[] = [];
  task: TaskInfo = { pid: 11, tgid: 22, uid: 33, gid: 44, comm: 'a-task', cgroupId: 77n };
  time = 1_000_000_000n;
  progType = 0;
  ctxAddr = 0;
  packet: PacketAccess | undefined;
  context: RunContext | undefined;
  readonly #state = new Map<symbol, unknown>();

  arg64(n: 1 | 2 | 3 | 4 | 5): bigint {
    return u64Of(this.regs[2 * n + 1], this.regs[2 * n]);
  }
  now(clock: string): bigint {
    return clock === 'tai' ? this.time + 37n : this.time;
  }
  trace(text: string): void {
    this.lines.push(text);
  }
  perfOutput(map: BpfMap, cpu: number, data: Uint8Array): number {
    this.records.push({ map: map.def.name, cpu, data });
    return 0;
  }
  callFunc(_func: number, ...args: readonly (number | bigint)[]): number {
    this.calls.push([...args]);
    return this.returns.shift() ?? 0;
  }
  setTimer(addr: number, _func: number, _map: BpfMap, due: bigint | undefined): void {
    this.timers.set(addr, due);
  }
  state<T>(key: symbol, make: () => T): T {
    if (!this.#state.has(key)) this.#state.set(key, make());
    return this.#state.get(key) as T;
  }

  /** Starts a run of a program of that type. */
  begin(type: number, dataIn: Uint8Array, ctxIn?: Uint8Array): this {
    const { mem } = this;
    const ctxStart = mem.alloc(CTX_BLOCK_BYTES);
    const packetStart = mem.alloc(PACKET_BLOCK_BYTES, 64);
    const host: ContextHost = {
      mem,
      ctxStart,
      packetStart,
      ctxRegion: mem.addRegion({ kind: 'ctx', name: 'context', start: ctxStart, sizeBytes: 0 }),
      packetRegion: mem.addRegion({ kind: 'packet', name: 'packet', start: packetStart, sizeBytes: 0 }),
    };
    const row = progTypeRow(type);
    if (row === undefined) throw new InternalError(`no program type ${type}`);
    this.context = row.begin(host, { dataIn, ctxIn });
    this.progType = type;
    this.ctxAddr = this.context.ctxAddr;
    this.packet = this.context.packet;
    return this;
  }

  /** Memory a program may touch, filled with `bytes`. */
  memory(bytes: Uint8Array | number, init: { kind?: RegionKind; writable?: boolean } = {}): Region {
    const content = typeof bytes === 'number' ? new Uint8Array(bytes) : bytes;
    const start = this.mem.alloc(content.length + 16, 16);
    this.mem.write(start, content);
    return this.mem.addRegion({
      kind: init.kind ?? 'mem',
      name: 'buffer',
      start,
      sizeBytes: content.length,
      writable: init.writable ?? true,
    });
  }

  /** Calls a helper or kernel function as an engine does: arguments into registers, checked, run. */
  call(which: string | HelperDef, ...args: readonly (number | bigint)[]): bigint {
    const def = typeof which === 'string' ? (helperByName(which) ?? kfuncDef(which)) : which;
    if (def === undefined) throw new InternalError(`no helper ${which}`);
    this.regs.fill(0);
    args.forEach((arg, i) => {
      this.regs[2 * i + 2] = lo32(BigInt(arg));
      this.regs[2 * i + 3] = hi32(BigInt(arg));
    });
    def.check?.(this);
    const low = (n: number): number => this.regs[2 * n] >>> 0;
    return BigInt(def.run(this, low(1), low(2), low(3), low(4), low(5)));
  }
}
