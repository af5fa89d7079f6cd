import type { TailCallLayout } from '../wasm/index.ts';

/**
 * Where native code of programs is entered: a table outside of the linear memory, so that no program writes it. A program's handle
 * holds the offset of its entry, a multiple of `entryBytes`. As handles lie where a program that went astray might write, the
 * entry names its handle by its real address, and code jumps only where the two agree; everything else is the gate's to decide.
 * The first entry is nobody's: 0 is what a handle holds that has none.
 */
export const NATIVE_ENTRIES = {
  /** u64: where its code begins. */
  code: 0,
  /** u64: real address of its handle; 0 where the entry is nobody's. */
  handle: 8,
  entryBytes: 16,
  /** A power of two. */
  sizeBytes: 1 << 20,
  /** What leaves of any number the offset of an entry. */
  mask: (1 << 20) - 16,
} as const;

/** How code finds the targets of tail calls by itself. `layout.entry` is where a handle holds its entry's offset. */
export interface NativeTailCalls {
  readonly layout: TailCallLayout;
  /** Address of the {@link NATIVE_ENTRIES}. */
  readonly entriesHi: number;
  readonly entriesLo: number;
}
