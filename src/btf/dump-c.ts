import type { Btf } from './btf.ts';
import { CDumper } from './dump-c-emit.ts';
import { sortForC } from './dump-c-sort.ts';
import { K } from './kind.ts';
import type { BtfFunc } from './type.ts';

/**
 * `bpftool-7.5` (Linux 6.12 and 6.13) is matched byte by byte, including that it leaves out the first type of its sorted
 * order unless another type needs it. `complete` leaves nothing out and follows later versions: kfuncs sorted by name
 * and marked `__bpf_fastcall`, type tags that stand for whole attributes written as these.
 */
export type CDumpStyle = 'bpftool-7.5' | 'complete';

export interface DumpCOptions {
  /** Only these types and what they need; kfuncs are then left out. */
  readonly rootIds?: readonly number[];
  /** Types in id order instead of bpftool's order by kind and name. */
  readonly unsorted?: boolean;
  /** Only the definitions, without the frame of `vmlinux.h` and without kfuncs. */
  readonly bare?: boolean;
  /** Whose text to equal; `bpftool-7.5` unless given. */
  readonly style?: CDumpStyle;
}

const HEADER = `#ifndef __VMLINUX_H__
#define __VMLINUX_H__

#ifndef BPF_NO_PRESERVE_ACCESS_INDEX
#pragma clang attribute push (__attribute__((preserve_access_index)), apply_to = record)
#endif

#ifndef __ksym
#define __ksym __attribute__((section(".ksyms")))
#endif

#ifndef __weak
#define __weak __attribute__((weak))
#endif

`;

const FASTCALL_HEADER = `#ifndef __bpf_fastcall
#if __has_attribute(bpf_fastcall)
#define __bpf_fastcall __attribute__((bpf_fastcall))
#else
#define __bpf_fastcall
#endif
#endif

`;

const FOOTER = `#ifndef BPF_NO_PRESERVE_ACCESS_INDEX
#pragma clang attribute pop
#endif

#endif /* __VMLINUX_H__ */
`;

/** FUNCs that carry a declaration tag, in the order of the tags. */
function taggedFuncs(btf: Btf, name: string): BtfFunc[] {
  const found: BtfFunc[] = [];
  for (let id = 1; id < btf.typeCount; id++) {
    if (btf.types.kind(id) !== K.DECL_TAG) continue;
    const tag = btf.typeById(id);
    if (tag.kind !== 'DECL_TAG' || tag.componentIdx !== -1 || tag.name !== name) continue;
    const func = btf.typeById(tag.typeId);
    if (func.kind === 'FUNC') found.push(func);
  }
  return found;
}

/** The kernel's functions that programs may call, as extern declarations. */
function putKfuncs(btf: Btf, dumper: CDumper, style: CDumpStyle): void {
  const kfuncs = taggedFuncs(btf, 'bpf_kfunc');
  const fastcalls = new Set(style === 'complete' ? taggedFuncs(btf, 'bpf_fastcall') : []);
  if (style === 'complete') kfuncs.sort((a, b) => (a.name === b.name ? 0 : a.name < b.name ? -1 : 1));
  dumper.put('\n/* BPF kfuncs */\n#ifndef BPF_NO_KFUNC_PROTOTYPES\n');
  for (const func of kfuncs) {
    dumper.put(fastcalls.has(func) ? 'extern __bpf_fastcall ' : 'extern ');
    dumper.declare(func.typeId, func.name);
    dumper.put(' __weak __ksym;\n');
  }
  dumper.put('#endif\n\n');
}

function idsToDump(btf: Btf, { rootIds, unsorted = false, style }: DumpCOptions): readonly number[] {
  if (rootIds !== undefined) return rootIds;
  if (unsorted) return Array.from({ length: btf.typeCount - 1 }, (_, index) => index + 1);
  return style === 'complete' ? sortForC(btf) : sortForC(btf).slice(1);
}

/**
 * C text of a BTF's types: what `bpftool btf dump file X format c` prints (compared byte by byte with bpftool 7.5 on
 * kernels 6.1, 6.12 and 7.2 of three architectures). Definitions come before their use, forward declarations are put
 * where pointers need them, anonymous types are written in place, equal names get `___2` and so on, gaps and packing are
 * made explicit. Throws `btf.loop`, `btf.too-deep`, `btf.too-large` for types C cannot express, `btf.type-id`.
 */
export function dumpC(btf: Btf, options: DumpCOptions = {}): string {
  const { rootIds, bare = false, style = 'bpftool-7.5' } = options;
  const dumper = new CDumper(btf, style === 'complete');
  if (!bare) dumper.put(style === 'complete' ? HEADER + FASTCALL_HEADER : HEADER);
  for (const id of idsToDump(btf, { ...options, style })) dumper.define(id);
  if (!bare && rootIds === undefined) putKfuncs(btf, dumper, style);
  if (!bare) dumper.put(FOOTER);
  return dumper.take();
}
