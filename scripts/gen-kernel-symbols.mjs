// Writes src/kernels/generated/: what recorded kernels say of themselves, as distances from __bpf_call_base.
//   npm run build && node scripts/gen-kernel-symbols.mjs src/kernels/generated NAME=KALLSYMS,BTF[,VMLINUX] ...
// NAME is VERSION-ARCH in Debian's words (6.12-ppc64el). KALLSYMS is /proc/kallsyms read by root, whole or cut to BPF's
// own symbols; BTF is /sys/kernel/btf/vmlinux, gzipped or not. VMLINUX, the kernel's ELF, is what ppc64 needs besides:
// kallsyms knows neither the TOC nor which functions have a local entry.
// With --names names.ts stays as it is and the kernels get those names only: for one kernel more, without the others' recordings.
import { readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { openBtf } from '../dist/btf/index.js';
import { openElf } from '../dist/elf/index.js';

const args = process.argv.slice(2);
const keepNames = args[0] === '--names';
const [outDir, ...specs] = keepNames ? args.slice(1) : args;
if (specs.length === 0 || specs.some(spec => !/^[\w.]+-\w+=[^,]+,[^,]+(,[^,]+)?$/.test(spec))) {
  process.stderr.write('usage: gen-kernel-symbols [--names] OUT_DIR NAME=KALLSYMS,BTF[,VMLINUX] ...\n');
  process.exit(2);
}
const ARCH = { ppc64el: 'ppc64', amd64: 'x86_64', arm64: 'arm64', riscv64: 'riscv64', s390x: 's390x' };
const BIG_ENDIAN = ['s390x'];

// What programs, fixups and kfunc calls can reach, and what stands beside it: everything of BPF, the functions behind
// helpers that are named otherwise, and the operations of maps.
const KEPT = [
  /bpf/i,
  /^(sk_skb|sk_msg|sk_psock|sk_select|sk_reuseport|sk_filter|sk_lookup|xdp|xsk|__xsk)_/,
  /^(__)?(htab|array|percpu_array|prog|fd|trie|bloom|queue|stack|ringbuf|user_ringbuf|arena|dev|dev_hash|cpu|reuseport_array|sock|cgroup|perf_event|insn_array)_.*_?(elem|map|array|redirect|storage)/,
  /^get_func_(arg|arg_cnt|ret)$/,
  /^(ktime_get_mono_fast_ns|ktime_get_boot_fast_ns|ktime_get_tai_fast_ns|ktime_get_coarse_ns)$/,
  /^(array|htab|generic|dev|cpu|sock|xsk)_map_/,
];

/** Text symbols as [address, kind, name], in the file's order. */
function readKallsyms(file) {
  const rows = [];
  for (const line of readFileSync(file, 'latin1').split('\n')) {
    const match = /^([0-9a-f]{16}) (\w) (\S+)(\t\[\S+\])?$/.exec(line);
    if (match !== null && match[4] === undefined) rows.push([BigInt(`0x${match[1]}`), match[2], match[3]]);
  }
  return rows;
}

/** Each address → the next higher one. */
function nextAddresses(addresses) {
  const sorted = [...new Set(addresses)].sort((a, b) => (a < b ? -1 : 1));
  return new Map(sorted.map((at, i) => [at, sorted[i + 1] ?? at]));
}

function openKernelBtf(file) {
  const raw = readFileSync(file);
  return openBtf(new Uint8Array(raw[0] === 0x1f && raw[1] === 0x8b ? gunzipSync(raw) : raw));
}

function kfuncNames(btf) {
  const names = new Set();
  for (let id = 1; id < btf.typeCount; id++) {
    if (btf.kindOf(id) !== 'DECL_TAG') continue;
    const tag = btf.typeById(id);
    if (tag.name === 'bpf_kfunc') names.add(btf.nameOf(tag.typeId));
  }
  return names;
}

/** Byte offset of a member, through anonymous members and along a dotted path. */
function offsetOf(btf, struct, path) {
  const inside = (typeId, name) => {
    const type = btf.typeById(btf.skipModifiers(typeId));
    for (const member of type.members ?? []) {
      if (member.name === name) return { off: member.bitOffset / 8, type: member.typeId };
      if (member.name !== '') continue;
      const found = inside(member.typeId, name);
      if (found !== undefined) return { off: member.bitOffset / 8 + found.off, type: found.type };
    }
    return undefined;
  };
  let type = btf.findByName(struct, 'STRUCT');
  let off = 0;
  for (const name of path.split('.')) {
    const member = inside(type, name);
    if (member === undefined) throw new Error(`struct ${struct} has no ${path}`);
    off += member.off;
    type = member.type;
  }
  return off;
}

const STRUCTS = {
  arrayMaxEntries: ['bpf_array', 'map.max_entries'],
  arrayPtrs: ['bpf_array', 'ptrs'],
  arrayValue: ['bpf_array', 'value'],
  progBpfFunc: ['bpf_prog', 'bpf_func'],
  htabElemKey: ['htab_elem', 'key'],
  htabElemLruRef: ['htab_elem', 'lru_node.ref'],
};

/** TOC and local entries of a ppc64 ELFv2 kernel, found as ppc_function_entry() does: by a function's first two words. */
function readToc(file) {
  const elf = openElf(new Uint8Array(readFileSync(file)), { file: basename(file) });
  const view = new Map();
  for (const section of elf.sections) {
    if ((section.flags & 0x4) !== 0 && section.addr64 !== 0n) {
      view.set(section, new DataView(section.data.buffer, section.data.byteOffset, section.data.byteLength));
    }
  }
  const word = addr => {
    for (const [section, data] of view) {
      const off = Number(addr - section.addr64);
      if (off >= 0 && off + 4 <= data.byteLength) return data.getUint32(off, true);
    }
    return 0;
  };
  const tocs = new Map();
  const hasLocalEntry = addr => {
    const [first, second] = [word(addr), word(addr + 4n)];
    if (first >>> 16 !== 0x3c4c || second >>> 16 !== 0x3842) return false;
    const toc = addr + BigInt((first << 16) + ((second << 16) >> 16));
    tocs.set(toc, (tocs.get(toc) ?? 0) + 1);
    return true;
  };
  return { hasLocalEntry, tocs };
}

/** What names.ts has. */
function knownNames() {
  const text = readFileSync(join(outDir, 'names.ts'), 'utf8');
  let last = '';
  return text
    .slice(text.indexOf('`') + 1, text.lastIndexOf('`'))
    .trim()
    .split(/\s+/)
    .map(word => (last = last.slice(0, Number.parseInt(word[0], 36)) + word.slice(1)));
}

const known = keepNames ? knownNames() : undefined;
const isKnown =
  known === undefined
    ? () => true
    : (
        set => name =>
          set.has(name)
      )(new Set(known));

function readKernel(spec) {
  const [name, files] = spec.split('=');
  const [kallsyms, btfFile, vmlinux] = files.split(',');
  const [version, debian] = name.split('-');
  const rows = readKallsyms(kallsyms);
  const addr = symbol => rows.find(row => row[2] === symbol)?.[0];
  const base = addr('__bpf_call_base');
  const [text, etext] = [addr('_text'), addr('_etext')];
  const btf = openKernelBtf(btfFile);
  const kfuncs = kfuncNames(btf);
  const wanted = row =>
    /^[tTW]$/.test(row[1]) &&
    row[0] >= text &&
    row[0] < etext &&
    !/^(_s?text|__pfx_|__cfi_|__SC[TK]__|__probestub_|__traceiter_|__bpf_trace_)|\.(cold|constprop|isra|part|llvm)\b|\.\d+$/.test(
      row[2],
    ) &&
    isKnown(row[2]) &&
    (KEPT.some(pattern => pattern.test(row[2])) || kfuncs.has(row[2]));
  const toc = vmlinux === undefined ? undefined : readToc(vmlinux);
  const ends = nextAddresses(rows.map(row => row[0]).filter(at => at >= text && at <= etext));
  // A cut recording lacks most neighbours: assume that no function is longer than this.
  const longest = rows.length < 20_000 ? 4096 : Number.MAX_SAFE_INTEGER;
  const kept = rows.filter(wanted);
  const keptEnds = nextAddresses([...kept.map(row => row[0]), etext]);
  const symbols = new Map();
  for (const [at, kind, name] of kept) {
    const far = Number(at - text).toString(36);
    const marks = `${kind === 'T' ? '' : kind === 'W' ? 'W' : 'L'}${toc?.hasLocalEntry(at) ? 'E' : ''}`;
    const size = Math.min(Number(ends.get(at) - at), longest);
    const sizeWord = size === Number(keptEnds.get(at) - at) ? '' : `:${size.toString(36)}`;
    symbols.set(name, [...(symbols.get(name) ?? []), far + marks + sizeWord]);
  }
  const commonToc = toc === undefined ? undefined : [...toc.tocs].sort((a, b) => b[1] - a[1]);
  if (commonToc !== undefined && commonToc.length !== 1) {
    throw new Error(`${name}: functions disagree about the TOC: ${commonToc.map(String).join(' ')}`);
  }
  process.stderr.write(
    `${name}: ${symbols.size} symbols, ${kfuncs.size} kfuncs${commonToc ? `, TOC 0x${commonToc[0][0].toString(16)}` : ''}\n`,
  );
  return {
    name,
    version,
    arch: ARCH[debian],
    order: BIG_ENDIAN.includes(debian) ? 'big' : 'little',
    textBase: text,
    textOffset: Number(text - base),
    etextOffset: Number(etext - base),
    tocOffset: commonToc === undefined ? 0 : Number(commonToc[0][0] - base),
    structs: {
      ...Object.fromEntries(Object.entries(STRUCTS).map(([key, [struct, path]]) => [key, offsetOf(btf, struct, path)])),
      ...(debian === 'arm64' || debian === 'riscv64' ? { threadInfoCpu: offsetOf(btf, 'thread_info', 'cpu') } : {}),
      ...(debian === 'riscv64' ? { perCpuOffsets: Number(addr('__per_cpu_offset') - base) } : {}),
      ...(addr('this_cpu_off') === undefined ? {} : { thisCpuOff: Number(addr('this_cpu_off')) }),
    },
    symbols,
  };
}

/** Words in lines of at most 118 columns. */
function lines(words) {
  const out = [''];
  for (const word of words) {
    const last = out[out.length - 1];
    if (last.length + word.length + 1 > 118) out.push(word);
    else out[out.length - 1] = last === '' ? word : `${last} ${word}`;
  }
  return out.join('\n');
}

const HEAD = '// Generated by scripts/gen-kernel-symbols.mjs. Do not edit.\n';
const kernels = specs.map(readKernel);
const names =
  known ?? [...new Set(kernels.flatMap(kernel => [...kernel.symbols.keys()]))].sort((a, b) => (a < b ? -1 : 1));

const coded = names.map((name, i) => {
  const before = names[i - 1] ?? '';
  let shared = 0;
  while (shared < 35 && shared < before.length && before[shared] === name[shared]) shared++;
  return shared.toString(36) + name.slice(shared);
});
if (!keepNames) {
  writeFileSync(
    join(outDir, 'names.ts'),
    `${HEAD}
/**
 * Names of kernel functions, ascending. Each begins with a base-36 digit: how many characters it shares with the one
 * before.
 */
export const SYMBOL_NAMES = \`
${lines(coded)}
\`;
`,
  );
}

const constant = name => `KERNEL_${name.toUpperCase().replace(/[^A-Z0-9]/g, '_')}`;
for (const kernel of kernels) {
  const words = [];
  let absent = 0;
  for (const name of [...names, undefined]) {
    const at = name === undefined ? ['end'] : kernel.symbols.get(name);
    if (at === undefined) {
      absent++;
      continue;
    }
    if (absent > 0) words.push(`-${absent}`);
    absent = 0;
    if (name !== undefined) words.push(at.join('+'));
  }
  writeFileSync(
    join(outDir, `${kernel.name}.ts`),
    `${HEAD}import type { KernelTable } from '../kernel-table.ts';

/** Linux ${kernel.version} of Debian, ${kernel.name.split('-')[1]}. */
export const ${constant(kernel.name)}: KernelTable = {
  name: '${kernel.name}',
  version: '${kernel.version}',
  arch: '${kernel.arch}',
  order: '${kernel.order}',
  textBase: 0x${kernel.textBase.toString(16)}n,
  textOffset: ${kernel.textOffset},
  etextOffset: ${kernel.etextOffset},
  tocOffset: ${kernel.tocOffset},
  structs: {
${Object.entries(kernel.structs)
  .map(([key, value]) => `    ${key}: ${value},`)
  .join('\n')}
  },
  symbols: \`
${lines(words)}
\`,
};
`,
  );
}
