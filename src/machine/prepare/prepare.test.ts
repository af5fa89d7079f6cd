import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { BtfBuilder, openBtf } from '../../btf/index.ts';
import { BPF_PSEUDO_BTF_ID, BPF_PSEUDO_MAP_VALUE, CALL, LD_IMM64, makeInsn } from '../../isa/index.ts';
import { kernelImage } from '../../kernels/index.ts';
import { type ObjectSpec, openObject, type ProgramSpec } from '../../object/index.ts';
import { BPF_PROG_FLAGS, bpf_attach_type, bpf_map_type, bpf_prog_type, ERRNO } from '../../uapi/index.ts';
import { attachTarget } from './attach-target.ts';
import { btfLoadErrno } from './btf-load.ts';
import { loaderLog } from './loader-log.ts';
import { mapDefinitions } from './map-definitions.ts';
import { prepareObject } from './prepare-object.ts';
import { checkProgLoad, fixupAttachType } from './prog-load.ts';
import { FIRST_MAP_FD } from './references.ts';

const ROOT = new URL('../../../', import.meta.url);
const bytesOf = (path: string): Uint8Array => new Uint8Array(readFileSync(new URL(path, ROOT)));
const kernelBtf = openBtf(new Uint8Array(gunzipSync(bytesOf('assets/btf/vmlinux-6.12-amd64.btf.gz'))));
const image = kernelImage('6.12-amd64');
const CONFIG =
  'CONFIG_BPF_SYSCALL=y\nCONFIG_BONDING=m\nCONFIG_LETTER=y\nCONFIG_NAME="abc"\nCONFIG_LARGE=5\nCONFIG_NEGATIVE=-3\n';
const kconfig = { kernelVersion: 0x60c00, config: CONFIG };

const open = (path: string): ObjectSpec => openObject(bytesOf(path), { name: path });
const fitted = (spec: ObjectSpec, more: object = {}) => prepareObject(spec, { kernelBtf, image, kconfig, ...more });
const changed = (spec: ObjectSpec, name: string, change: Partial<ProgramSpec>): ObjectSpec => ({
  ...spec,
  programs: spec.programs.map(program => (program.name === name ? { ...program, ...change } : program)),
});

describe('externs', () => {
  const spec = open('testdata/object/externs.el.o');

  it('become ids, addresses, or calls nobody may reach', () => {
    const prepared = fitted(spec);
    expect(prepared.problem).toBeUndefined();
    const { input } = prepared.prepare(prepared.spec.programs[0]);
    const insns = input?.insns ?? [];
    const typed = insns.filter(insn => insn.code === LD_IMM64 && insn.src === BPF_PSEUDO_BTF_ID);
    expect(typed.map(insn => kernelBtf.nameOf(insn.imm))).toEqual(['runqueues']);
    const calls = insns.filter(insn => insn.code === CALL && insn.src === 2);
    expect(calls.map(insn => kernelBtf.nameOf(insn.imm))).toEqual(['bpf_task_release']);
    const missing = prepared.spec.externs.findIndex(extern => extern.name === 'bpf_not_there');
    expect(insns).toContainEqual(makeInsn(CALL, 0, 0, 0, 2_002_000_000 + missing));
  });

  it('of .kconfig are read from a frozen map', () => {
    const prepared = fitted(spec);
    const { input } = prepared.prepare(prepared.spec.programs[0]);
    const load = input?.insns.find(insn => insn.code === LD_IMM64 && insn.src === BPF_PSEUDO_MAP_VALUE);
    const map = input?.maps[load?.imm ?? -1];
    expect(map).toMatchObject({ name: 'externs.kconfig', frozen: true });
    expect(map?.data?.some(byte => byte !== 0)).toBe(true);
  });

  it.each([
    [{ kconfig: { kernelVersion: 1 } }, ERRNO.EINVAL, 'failed to open system Kconfig'],
    [
      { kconfig: { config: 'CONFIG_A=y', kernelVersion: 1 } },
      ERRNO.EINVAL,
      "extern 'CONFIG_LARGE' (strong): not resolved",
    ],
    [{ addressOf: () => undefined }, ERRNO.ESRCH, "extern 'some_symbol' (strong): not resolved"],
  ])('that are missing stop the whole object: %j', (more, errno, message) => {
    const prepared = fitted(spec, more);
    expect(prepared.problem).toEqual({ errno, message });
    expect(prepared.prepare(prepared.spec.programs[0])).toMatchObject({ input: undefined, problem: { errno } });
  });

  it('with a kernel function that is not there', () => {
    const prepared = fitted(open('testdata/cli/tracing.bpf.o'));
    expect(prepared.problem?.message).toBe("extern (func ksym) 'no_such_kfunc': not found in kernel or module BTFs");
  });
});

describe('what programs are attached to', () => {
  const base: ProgramSpec = {
    name: 'p',
    section: '',
    type: bpf_prog_type.BPF_PROG_TYPE_TRACING,
    attachType: 0,
    attachTarget: '',
    flags: 0,
    autoload: true,
    insns: [],
    subprogs: [],
    refs: [],
    funcInfo: [],
    lineInfo: [],
    coreRelos: [],
  };
  const target = (section: string, attachType: keyof typeof bpf_attach_type, type = base.type) =>
    attachTarget({ ...base, section, type, attachType: bpf_attach_type[attachType] }, kernelBtf);

  it.each([
    ['fentry/do_unlinkat', 'BPF_TRACE_FENTRY', 'do_unlinkat', 'FUNC'],
    ['fexit/vmlinux:do_unlinkat', 'BPF_TRACE_FEXIT', 'do_unlinkat', 'FUNC'],
    ['tp_btf/sched_switch', 'BPF_TRACE_RAW_TP', 'btf_trace_sched_switch', 'TYPEDEF'],
    ['lsm.s/file_open', 'BPF_LSM_MAC', 'bpf_lsm_file_open', 'FUNC'],
    ['lsm_cgroup/socket_bind', 'BPF_LSM_CGROUP', 'bpf_lsm_socket_bind', 'FUNC'],
    ['iter/task', 'BPF_TRACE_ITER', 'bpf_iter_task', 'FUNC'],
  ] as const)('%s', (section, attachType, name, kind) => {
    const found = target(section, attachType);
    const id = 'btfId' in found ? found.btfId : 0;
    expect([kernelBtf.nameOf(id), kernelBtf.kindOf(id)]).toEqual([name, kind]);
  });

  it.each([
    ['fentry', ERRNO.EINVAL, "prog 'p': no BTF-based attach target is specified, use bpf_program__set_attach_target()"],
    ['fentry/no_such', ERRNO.ESRCH, "prog 'p': failed to find kernel BTF type ID of 'no_such': -3"],
    ['fentry/mod:do_unlinkat', ERRNO.ESRCH, "prog 'p': failed to find kernel BTF type ID of 'mod:do_unlinkat': -3"],
  ])('%s is not there', (section, errno, message) => {
    expect(target(section, 'BPF_TRACE_FENTRY')).toEqual({ errno, message });
  });

  it('another program, unless somebody names it', () => {
    const found = target('freplace/main', 'BPF_CGROUP_INET_INGRESS', bpf_prog_type.BPF_PROG_TYPE_EXT);
    expect(found).toEqual({ errno: ERRNO.EINVAL, message: "prog 'p': attach program FD is not set" });
  });
});

describe('struct_ops', () => {
  const spec = open('testdata/object/struct-ops.el.o');
  const used = new Set(spec.structOps.filter(row => !row.section.startsWith('?')).flatMap(row => row.programs));

  it("programs implement members of the kernel's struct", () => {
    const prepared = fitted(spec);
    expect(prepared.problem).toBeUndefined();
    for (const { member, prog } of used) {
      const program = prepared.spec.programs.find(row => row.name === prog) as ProgramSpec;
      const { input } = prepared.prepare(program);
      const struct = kernelBtf.typeById(input?.attachBtfId ?? 0);
      expect(struct.name).toBe('tcp_congestion_ops');
      expect(struct.kind === 'STRUCT' && struct.members[input?.attachType ?? 0].name).toBe(member);
    }
    expect(used.size).toBeGreaterThan(0);
  });

  it('programs nobody uses are not loaded', () => {
    const prepared = fitted({ ...spec, structOps: [], maps: [] });
    const { problem } = prepared.prepare(prepared.spec.programs[0]);
    expect(problem?.message).toContain('SEC("struct_ops") program isn\'t referenced anywhere');
  });

  it('of a struct the kernel does not have stop the object', () => {
    const structOps = spec.structOps.map(row => ({ ...row, typeName: 'no_such_ops' }));
    expect(fitted({ ...spec, structOps }).problem).toEqual({
      errno: ERRNO.ESRCH,
      message: 'struct_ops init_kern: struct no_such_ops is not found in kernel BTF',
    });
  });
});

describe('maps', () => {
  const spec = open('testdata/object/maps.el.o');
  const machine = { kernelBtf, cpuCount: 4 };

  it('keep their place, their sizes and the template of what they hold', () => {
    const maps = mapDefinitions(spec, machine, new Map());
    if ('errno' in maps) throw new Error(maps.message);
    expect(maps.length).toBe(spec.maps.length);
    for (const [i, { def, autocreate }] of spec.maps.entries()) {
      expect(maps[i] === undefined).toBe(!autocreate);
      if (maps[i] === undefined) continue;
      expect(maps[i]).toMatchObject({ type: def.type, keySize: def.keySizeBytes, valueSize: def.valueSizeBytes });
      expect(maps[i]?.inner?.type).toBe(def.inner?.type);
    }
    const events = maps.find(map => map?.type === bpf_map_type.BPF_MAP_TYPE_PERF_EVENT_ARRAY);
    if (events !== undefined) expect(events.maxEntries).toBeGreaterThan(0);
  });

  it('that no kernel makes stop the object', () => {
    const bad = spec.maps.map((map, i) => (i === 0 ? { ...map, def: { ...map.def, keySizeBytes: 0 } } : map));
    const { name } = bad[0].def;
    expect(mapDefinitions({ ...spec, maps: bad }, machine, new Map())).toEqual({
      errno: ERRNO.EINVAL,
      message: `map '${name}': failed to create: Invalid argument(-22)`,
    });
  });

  it('whose BTF does not fit are made without', () => {
    const index = spec.maps.findIndex(map => map.keyTypeId !== 0 && map.def.type === bpf_map_type.BPF_MAP_TYPE_HASH);
    const maps = (valueTypeId: number) => {
      const bad = spec.maps.map((map, i) => (i === index ? { ...map, valueTypeId } : map));
      const made = mapDefinitions({ ...spec, maps: bad }, machine, new Map());
      if ('errno' in made) throw new Error(made.message);
      return made[index];
    };
    expect(maps(spec.maps[index].valueTypeId)?.btf).toBe(spec.btf);
    expect(maps(0)).toMatchObject({ btf: undefined, keyTypeId: 0 });
  });

  it('are named by descriptors behind those that are no maps', () => {
    const prepared = fitted(spec);
    expect(prepared.maps.slice(0, FIRST_MAP_FD)).toEqual([undefined, undefined, undefined]);
    const { input } = prepared.prepare(prepared.spec.programs[0]);
    const first = input?.insns.find(insn => insn.code === LD_IMM64 && insn.src !== 0);
    expect(input?.maps[first?.imm ?? 0]?.name).toBeDefined();
  });
});

describe('BTF a kernel takes', () => {
  const build = (params: { name: string; typeId: number }[], name = 'f') => {
    const builder = new BtfBuilder();
    const int = builder.add({
      kind: 'INT',
      name: 'int',
      sizeBytes: 4,
      signed: true,
      char: false,
      bool: false,
      encoding: 1,
      bitOffset: 0,
      bits: 32,
    });
    const proto = builder.add({ kind: 'FUNC_PROTO', name: '', returnTypeId: int, params });
    builder.add({ kind: 'FUNC', name, typeId: proto, linkage: 1 });
    return builder.build();
  };

  it.each([
    ['named parameters', [{ name: 'a', typeId: 1 }], 'f', 0],
    ['a variadic function', [{ name: '', typeId: 0 }], 'f', 0],
    ['a parameter without name', [{ name: '', typeId: 1 }], 'f', -ERRNO.EINVAL],
    [
      'a parameter that is void',
      [
        { name: 'a', typeId: 0 },
        { name: 'b', typeId: 1 },
      ],
      'f',
      -ERRNO.EINVAL,
    ],
    ['a name that is none', [{ name: 'a', typeId: 1 }], 'f-g', -ERRNO.EINVAL],
  ])('%s', (_, params, name, errno) => {
    expect(btfLoadErrno(build(params, name))).toBe(errno);
  });

  it('is what compilers write', () => {
    for (const path of ['examples/load_balancer.bpf.o', 'testdata/object/externs.el.o', 'testdata/cli/tracing.bpf.o']) {
      const { btf } = open(path);
      expect(btf === undefined ? -1 : btfLoadErrno(btf)).toBe(0);
    }
  });

  it('is left out, with its tables, where the kernel does not take it', () => {
    const spec = open('examples/xdp_counter.bpf.o');
    const prepared = fitted({
      ...spec,
      btf: build([{ name: '', typeId: 1 }]),
      maps: spec.maps.map(map => ({ ...map, keyTypeId: 1, valueTypeId: 1 })),
    });
    const { input } = prepared.prepare({ ...prepared.spec.programs[0], coreRelos: [] });
    expect(input).toMatchObject({ btf: undefined, funcInfo: undefined, lineInfo: undefined });
    expect(input?.maps.every(map => map?.btf === undefined)).toBe(true);
  });
});

describe('what the kernel checks before it verifies', () => {
  const ROOT_CAPS = { bpf: true, perfmon: true, netAdmin: true, sysAdmin: false };
  const good = {
    type: bpf_prog_type.BPF_PROG_TYPE_XDP,
    attachType: 0,
    flags: 0,
    insnCount: 2,
    attachBtfId: 0,
    attachesToProg: false,
    kernelBtf,
  };
  const P = bpf_prog_type;

  it.each([
    ['nothing wrong', {}, {}, 0],
    ['no instruction', { insnCount: 0 }, {}, ERRNO.E2BIG],
    ['a million and one', { insnCount: 1_000_001 }, {}, ERRNO.E2BIG],
    [
      'too many for an ordinary user',
      { insnCount: 4097, type: P.BPF_PROG_TYPE_SOCKET_FILTER },
      { bpf: false },
      ERRNO.E2BIG,
    ],
    ['an ordinary user', {}, { bpf: false }, ERRNO.EPERM],
    ["an ordinary user's filter", { type: P.BPF_PROG_TYPE_SOCKET_FILTER }, { bpf: false }, 0],
    ['networking without its right', {}, { netAdmin: false }, ERRNO.EPERM],
    ['tracing without its right', { type: P.BPF_PROG_TYPE_KPROBE }, { perfmon: false }, ERRNO.EPERM],
    ['an unknown flag', { flags: 1 << 30 }, {}, ERRNO.EINVAL],
    ['a known flag', { flags: BPF_PROG_FLAGS.BPF_F_STRICT_ALIGNMENT }, {}, 0],
    ['an attach type of another type', { type: P.BPF_PROG_TYPE_CGROUP_SKB, attachType: 5 }, {}, ERRNO.EINVAL],
    ['a target where there is none', { attachBtfId: 5 }, {}, ERRNO.EINVAL],
    ['a type there is not', { type: 99 }, {}, ERRNO.EINVAL],
  ])('%s', (_, attr, caps, errno) => {
    expect(checkProgLoad({ ...good, ...attr }, { ...ROOT_CAPS, ...caps })).toBe(errno);
  });

  it('fills in attach types old loaders leave out', () => {
    expect(fixupAttachType(P.BPF_PROG_TYPE_CGROUP_SOCK, 0)).toBe(bpf_attach_type.BPF_CGROUP_INET_SOCK_CREATE);
    expect(fixupAttachType(P.BPF_PROG_TYPE_XDP, 0)).toBe(0);
  });
});

describe('the log as libbpf shows it', () => {
  const spec = open('testdata/object/externs.el.o');
  const [program] = spec.programs;
  const figures = 'processed 3 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0\n';
  const refused = (id: number): string =>
    `0: R1=ctx()\n7: (85) call unknown#${id}\ninvalid func unknown#${id}\n${figures}`;

  it('names the kernel function that is missing', () => {
    const place = spec.externs.findIndex(extern => extern.name === 'bpf_not_there');
    expect(loaderLog(refused(2_002_000_000 + place), program, spec)).toBe(
      `0: R1=ctx()\n7: <invalid kfunc call>\nkfunc 'bpf_not_there' is referenced but wasn't resolved\n${figures}`,
    );
  });

  it('names the map that was not made', () => {
    expect(loaderLog(refused(2_001_000_000), program, spec)).toContain(
      `BPF map '${spec.maps[0].def.name}' is referenced`,
    );
  });

  it('says which CO-RE relocation failed', () => {
    const core = open('testdata/object/core.el.o');
    const found = core.programs.find(row => row.coreRelos.length > 0) as ProgramSpec;
    const relo = { ...found.coreRelos[0], insnIdx: 7 };
    const text = loaderLog(refused(195_896_080), { ...found, coreRelos: [relo] }, core);
    expect(text).toMatch(
      /^0: R1=ctx\(\)\n7: <invalid CO-RE relocation>\nfailed to resolve CO-RE relocation <.*> \[\d+\] /,
    );
  });

  it('leaves other logs alone', () => {
    for (const log of ['', 'x', refused(5), refused(2_002_009_999), `${'a\n'.repeat(20)}`]) {
      expect(loaderLog(log, program, spec)).toBe(log);
    }
  });
});

it('programs that cannot be loaded say why', () => {
  const spec = open('examples/xdp_counter.bpf.o');
  const [{ name }] = spec.programs;
  const untyped = fitted(changed(spec, name, { type: 0, section: 'mine' }));
  expect(untyped.prepare(untyped.spec.programs[0]).problem).toEqual({
    errno: ERRNO.EINVAL,
    message: `prog '${name}': missing BPF prog type, check ELF section name 'mine'`,
  });
  const typed = untyped.prepare(untyped.spec.programs[0], { type: bpf_prog_type.BPF_PROG_TYPE_XDP, flags: 1 });
  expect(typed.input).toMatchObject({ type: bpf_prog_type.BPF_PROG_TYPE_XDP, flags: 1, gplCompatible: true });
});
