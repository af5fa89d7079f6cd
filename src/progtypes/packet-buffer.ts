import type { PacketAccess } from '../helpers/index.ts';
import type { Region } from '../mem/index.ts';
import type { ContextHost } from './types.ts';

/**
 * The packet of a run inside its block of memory.
 *
 * ```
 *   hardStart      dataMeta   data            dataEnd        hardEnd
 *   |  headroom    |  meta    |  packet       |  tailroom    |
 *                  └──── region (what programs may touch) ───┘
 * ```
 */
export class PacketBuffer implements PacketAccess {
  readonly region: Region;
  readonly hardStart: number;
  readonly hardEnd: number;
  data: number;
  dataEnd: number;
  dataMeta: number;
  macAddr: number;
  networkAddr: number;
  frags: Uint8Array = new Uint8Array(0);
  csumLevel = -1;
  encapsulated = false;
  readonly #host: ContextHost;
  /** Writes the bounds into the context. */
  readonly #mirror: (packet: PacketBuffer) => void;

  /** @param data address of the packet's first byte; @param start, end addresses between which it may move */
  constructor(
    host: ContextHost,
    bytes: Uint8Array,
    place: { start: number; data: number; end: number },
    mirror: (packet: PacketBuffer) => void,
  ) {
    this.#host = host;
    this.#mirror = mirror;
    this.region = host.packetRegion;
    this.hardStart = place.start;
    this.hardEnd = place.end;
    this.data = place.data;
    this.dataMeta = place.data;
    this.dataEnd = place.data + bytes.length;
    this.macAddr = place.data;
    this.networkAddr = place.data;
    host.mem.u8.fill(0, host.packetStart, place.end);
    host.mem.write(place.data, bytes);
  }

  setBounds(dataMeta: number, data: number, dataEnd: number): void {
    this.dataMeta = dataMeta;
    this.data = data;
    this.dataEnd = dataEnd;
    this.#host.mem.moveRegion(this.region, dataMeta, dataEnd);
    this.#mirror(this);
  }
}
