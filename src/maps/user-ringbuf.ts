import type { Region } from '../mem/index.ts';
import { BPF_FLAGS, bpf_map_type, ERRNO } from '../uapi/index.ts';
import { roundUp8 } from './alloc-check.ts';
import { RING, RINGBUF_BUSY_BIT, RINGBUF_DISCARD_BIT, RINGBUF_HDR_BYTES, RingMapBase } from './ringbuf.ts';
import type { BpfMap, UserRingbufMap } from './types.ts';

/** `BPF_MAX_USER_RINGBUF_SAMPLES` */
const MAX_SAMPLES = 128 * 1024;
const WAKEUP_FLAGS = BPF_FLAGS.BPF_RB_NO_WAKEUP | BPF_FLAGS.BPF_RB_FORCE_WAKEUP;
const FLAG_BITS = RINGBUF_BUSY_BIT + RINGBUF_DISCARD_BIT;
const LEN_MASK = RINGBUF_DISCARD_BIT - 1;

/**
 * `BPF_MAP_TYPE_USER_RINGBUF`: user space produces, programs drain. The ring is that of {@link RING}; header words are
 * checked as the kernel must check what user space wrote.
 */
export class UserRingbufMapImpl extends RingMapBase implements UserRingbufMap {
  #draining = false;

  /** `tools/lib/bpf/ringbuf.c: user_ring_buffer__reserve` and `__submit` in one. */
  produce(bytes: Uint8Array): number {
    const recordBytes = roundUp8(bytes.length + RINGBUF_HDR_BYTES);
    if (recordBytes > this.dataSizeBytes) return -ERRNO.E2BIG;
    if (this.dataSizeBytes - this.availableBytes < recordBytes) return -ERRNO.ENOSPC;
    const producer = this.position(RING.producerPos);
    const header = this.dataAt(producer);
    this.store(header, bytes.length);
    this.store(header + 4, 0);
    this.mem.write(header + RINGBUF_HDR_BYTES, bytes);
    this.setPosition(RING.producerPos, producer + recordBytes);
    return 0;
  }

  /** `bpf_user_ringbuf_drain` */
  drain(callback: (sampleAddr: number, sizeBytes: number) => number, flags: number): number {
    if ((flags & ~WAKEUP_FLAGS) !== 0) return -ERRNO.EINVAL;
    if (this.#draining) return -ERRNO.EBUSY;
    this.#draining = true;
    try {
      return this.#drain(callback, flags);
    } finally {
      this.#draining = false;
    }
  }

  #drain(callback: (sampleAddr: number, sizeBytes: number) => number, flags: number): number {
    let seen = 0;
    let discarded = 0;
    let errno = 0;
    for (let i = 0, stop = 0; i < MAX_SAMPLES && stop === 0; i++) {
      const consumer = this.position(RING.consumerPos);
      const producer = this.position(RING.producerPos);
      if (producer % 8 !== 0) {
        errno = -ERRNO.EINVAL;
        break;
      }
      if (consumer >= producer) break;
      const header = this.dataAt(consumer);
      const word = this.loadU32(header);
      const len = word & LEN_MASK;
      const recordBytes = roundUp8(len + RINGBUF_HDR_BYTES);
      if (recordBytes > producer - consumer || recordBytes > this.dataSizeBytes) {
        errno = recordBytes > producer - consumer ? -ERRNO.EINVAL : -ERRNO.E2BIG;
        break;
      }
      if (word >= FLAG_BITS || (word >= RINGBUF_DISCARD_BIT && word < RINGBUF_BUSY_BIT)) {
        this.setPosition(RING.consumerPos, consumer + recordBytes);
        discarded++;
        continue;
      }
      if (word >= RINGBUF_BUSY_BIT) break;
      seen++;
      stop = this.#show(callback, header + RINGBUF_HDR_BYTES, len);
      this.setPosition(RING.consumerPos, consumer + recordBytes);
    }
    if ((flags & BPF_FLAGS.BPF_RB_FORCE_WAKEUP) !== 0) this.wake();
    else if ((flags & BPF_FLAGS.BPF_RB_NO_WAKEUP) === 0 && seen + discarded > 0) this.wake();
    return errno !== 0 ? errno : seen;
  }

  /** Programs may touch the record while the callback runs. */
  #show(callback: (sampleAddr: number, sizeBytes: number) => number, sampleAddr: number, sizeBytes: number): number {
    let region: Region | undefined;
    if (sizeBytes > 0) {
      region = this.mem.addRegion({ kind: 'mem', name: this.def.name, start: sampleAddr, sizeBytes });
    }
    try {
      return callback(sampleAddr, sizeBytes);
    } finally {
      if (region !== undefined) this.mem.removeRegion(region);
    }
  }
}

/** Whether programs can drain it. */
export function isUserRingbufMap(map: BpfMap | undefined): map is UserRingbufMap {
  return map?.def.type === bpf_map_type.BPF_MAP_TYPE_USER_RINGBUF;
}
