import { BPF_FLAGS, ERRNO } from '../uapi/index.ts';
import { ArrayMap, checkArray } from './arraymap.ts';
import type { MapDef } from './types.ts';

/** `kernel/bpf/arraymap.c: fd_array_map_alloc_check` */
export function checkFdArray(def: MapDef): number {
  if (def.valueSizeBytes !== 4) return -ERRNO.EINVAL;
  if ((def.flags & (BPF_FLAGS.BPF_F_RDONLY_PROG | BPF_FLAGS.BPF_F_WRONLY_PROG)) !== 0) return -ERRNO.EINVAL;
  return checkArray(def);
}

/**
 * An array of kernel objects: user space writes a file descriptor (here an id of the machine) and the element holds what
 * it stands for. The layout is that of ARRAY_LAYOUT; elements are words in cells of 8 bytes, 0 for an empty one, and
 * closed to programs.
 */
export abstract class FdArrayMap extends ArrayMap {
  protected override exposeValues(_sizeBytes: number): void {}

  /** `map_fd_get_ptr`: the word for what user space wrote, or -errno. */
  protected abstract take(fd: number): number;
  /** `map_fd_sys_lookup_elem`: what user space reads of a word; undefined where it may not. */
  protected give(_word: number): number | undefined {
    return undefined;
  }

  /** Where in its cell the word is: at its low end, so that the cell read whole is the same number. */
  protected get wordOffset(): number {
    return this.little ? 0 : 4;
  }

  /** The element's word; 0 when it is empty or past the end. */
  protected wordAt(index: number): number {
    return index >= 0 && index < this.def.maxEntries
      ? this.load(this.values + index * this.elemBytes + this.wordOffset)
      : 0;
  }

  override lookup(_keyAddr: number): number {
    return 0;
  }
  override update(_keyAddr: number, _valueAddr: number, _flags: number): number {
    return -ERRNO.EOPNOTSUPP;
  }
  override delete(keyAddr: number): number {
    const elem = this.elem(keyAddr);
    if (elem === 0) return -ERRNO.E2BIG;
    if (this.load(elem + this.wordOffset) === 0) return -ERRNO.ENOENT;
    this.store(elem + this.wordOffset, 0);
    return 0;
  }
  override forEach(_callback: (keyAddr: number, valueAddr: number) => number): number {
    return -ERRNO.EOPNOTSUPP;
  }
  override directValueAddr(_offBytes: number): number {
    return 0;
  }

  // bpf_fd_array_map_lookup_elem
  protected override sysLookup(keyAddr: number): Uint8Array | null | number {
    if (this.give(1) === undefined) return -ERRNO.ENOTSUPP;
    const elem = this.elem(keyAddr);
    const word = elem === 0 ? 0 : this.load(elem + this.wordOffset);
    if (word === 0) return null;
    const at = this.valueScratch();
    this.store(at, this.give(word)!);
    return this.mem.read(at, 4);
  }

  // bpf_fd_array_map_update_elem
  protected override sysUpdate(keyAddr: number, valueAddr: number, flags: number): number {
    if (flags !== BPF_FLAGS.BPF_ANY) return -ERRNO.EINVAL;
    const elem = this.elem(keyAddr);
    if (elem === 0) return -ERRNO.E2BIG;
    const word = this.take(this.loadU32(valueAddr));
    if (word < 0) return word;
    this.store(elem + this.wordOffset, word);
    return 0;
  }
}
