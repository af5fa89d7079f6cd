import type { Btf } from '../../btf/index.ts';
import { defaultLayout, type KernelImage } from '../../kernels/index.ts';
import {
  type ExternValue,
  externValues,
  type KconfigValues,
  kconfigData,
  type ObjectSpec,
  type ProgramSpec,
  relocateObject,
} from '../../object/index.ts';
import { matchSection } from '../../progtypes/index.ts';
import { bpf_attach_type, bpf_prog_type, ERRNO } from '../../uapi/index.ts';
import {
  funcInfoTable,
  lineInfoTable,
  loadStructMetas,
  releaseNumber,
  type VerifierMap,
  type VerifyInput,
} from '../../verifier/index.ts';
import { attachTarget } from './attach-target.ts';
import { btfLoadErrno } from './btf-load.ts';
import { mapDefinitions } from './map-definitions.ts';
import { errorText, type LoadProblem, problem } from './problem.ts';
import { checkProgLoad, fixupAttachType, GPL_LICENSES, type LoadCaps, usableAttachType } from './prog-load.ts';
import { FIRST_MAP_FD, type Places, placesOf, resolveReferences } from './references.ts';
import { fitStructOps, type KernelStructOps } from './struct-ops.ts';

/** The kernel an object is loaded into, and how. */
export interface PrepareOptions {
  /** The kernel's BTF; without it CO-RE stays as it is, and nothing can be attached to functions. */
  readonly kernelBtf: Btf | undefined;
  readonly image: KernelImage;
  /** Values of .kconfig variables. */
  readonly kconfig?: KconfigValues;
  /** Addresses of kernel symbols; default: those of kernel text, at the layout's usual place. */
  readonly addressOf?: (name: string) => bigint | undefined;
  /** Default: everything root has. */
  readonly caps?: LoadCaps;
  /** CO-RE is applied and .kconfig filled already. */
  readonly relocated?: boolean;
  /** CPUs of the machine; default 1. */
  readonly cpuCount?: number;
}

/** What is asked of one program beside what its object says. */
export interface ProgramChoices {
  /** `BPF_PROG_TYPE_*` in place of what the section name says. */
  readonly type?: number;
  readonly attachType?: number;
  /** More `BPF_F_*` flags. */
  readonly flags?: number;
}

/** A program as `bpf(BPF_PROG_LOAD)` would get it, or why it never would. */
export interface PreparedProgram {
  readonly program: ProgramSpec;
  readonly type: number;
  readonly attachType: number;
  readonly input: VerifyInput | undefined;
  readonly problem: LoadProblem | undefined;
}

/** An object fitted to a kernel: what libbpf has done when it is about to load programs. */
export interface PreparedObject {
  /** Relocated. */
  readonly spec: ObjectSpec;
  /** By file descriptor: those of `spec.maps` in their order, behind descriptors that are no maps. */
  readonly maps: readonly (VerifierMap | undefined)[];
  /** Why no program of the object can be loaded. */
  readonly problem: LoadProblem | undefined;
  /** Prepares one of `spec.programs`. */
  prepare(program: ProgramSpec, choices?: ProgramChoices): PreparedProgram;
}

const ALL_CAPS: LoadCaps = { bpf: true, perfmon: true, netAdmin: true, sysAdmin: true };

/**
 * Fits an object to a kernel, without one: CO-RE, values of externs, kernel symbols, struct_ops, definitions of maps. What
 * libbpf or the kernel would refuse before the verifier begins is a problem, of the object or of one program.
 *
 * Source: `tools/lib/bpf/libbpf.c: bpf_object_load`.
 * Differs from libbpf: programs that are not loaded by themselves can be prepared too; a strong symbol without type that
 * is not known to be in kernel text is taken to be data of the kernel.
 */
export function prepareObject(given: ObjectSpec, options: PrepareOptions): PreparedObject {
  const { kernelBtf, kconfig = {} } = options;
  const spec = options.relocated === true ? given : relocateObject(given, { targetBtf: kernelBtf, kconfig }).spec;
  const externs = kernelSymbols(spec, options);
  const structOps = fitStructOps(spec, kernelBtf);
  const cpuCount = options.cpuCount ?? 1;
  const btfErrno = spec.btf === undefined ? 0 : refusedBtf(spec.btf, kernelBtf);
  const btf = btfErrno === 0 ? spec.btf : undefined;
  const refused =
    (options.relocated === true ? undefined : kconfigProblem(spec, kconfig)) ??
    externProblem(externs) ??
    structOps.problem ??
    btfProblem(spec, btfErrno);
  const maps =
    refused ??
    mapDefinitions(
      { ...spec, btf },
      { kernelBtf, cpuCount, release: releaseNumber(options.image.version) },
      structOps.maps,
    );
  const failed = 'errno' in maps ? maps : undefined;
  const facts: ObjectFacts = {
    spec,
    btf,
    options,
    structOps,
    places: placesOf(spec, externs),
    maps: [],
    problem: failed,
  };
  if (!('errno' in maps)) facts.maps = [...new Array<undefined>(FIRST_MAP_FD).fill(undefined), ...maps];
  return {
    spec,
    maps: facts.maps,
    problem: failed,
    prepare: (program, choices = {}) => prepare(program, choices, facts),
  };
}

interface ObjectFacts {
  readonly spec: ObjectSpec;
  /** What the kernel takes of it. */
  readonly btf: Btf | undefined;
  readonly options: PrepareOptions;
  readonly structOps: KernelStructOps;
  readonly places: Places;
  maps: readonly (VerifierMap | undefined)[];
  readonly problem: LoadProblem | undefined;
}

function kconfigProblem(spec: ObjectSpec, values: KconfigValues): LoadProblem | undefined {
  if (!spec.externs.some(extern => extern.kind === 'kconfig')) return undefined;
  const named = spec.externs.some(({ kind, name }) => kind === 'kconfig' && name.startsWith('CONFIG_'));
  // Nobody told the kernel's configuration, and libbpf does not guess.
  if (named && (values.config ?? '') === '') return problem(ERRNO.EINVAL, 'failed to open system Kconfig');
  const [message] = kconfigData(spec, values).problems;
  return message === undefined ? undefined : problem(ERRNO.EINVAL, message);
}

function externProblem(externs: readonly ExternValue[]): LoadProblem | undefined {
  const typeless = ({ extern }: ExternValue): boolean => extern.kind === 'ksym_typeless';
  const failed =
    externs.find(value => value.status === 'failed' && typeless(value)) ??
    externs.find(value => value.status === 'failed');
  if (failed === undefined) return undefined;
  return problem(typeless(failed) ? ERRNO.ESRCH : ERRNO.EINVAL, failed.problem);
}

/** 0, or the negative errno with which the kernel refuses to take the object's BTF. */
function refusedBtf(btf: Btf, kernelBtf: Btf | undefined): number {
  const errno = btfLoadErrno(btf);
  return errno === 0 ? loadStructMetas(btf, kernelBtf) : errno;
}

/** libbpf goes on without BTF that the kernel refuses, unless a struct_ops map needs it. */
function btfProblem({ structOps }: ObjectSpec, errno: number): LoadProblem | undefined {
  if (errno === 0 || structOps.length === 0) return undefined;
  return problem(errno, `Error loading .BTF into kernel: ${errno}. BTF is mandatory, can't proceed.`);
}

/** Where data of the kernel lies for symbols nobody gave an address: behind its text. */
const DATA_BYTES = 64n;

function kernelSymbols(spec: ObjectSpec, options: PrepareOptions): ExternValue[] {
  const { kernelBtf, image } = options;
  const layout = defaultLayout(image.arch);
  const strong = new Set(spec.externs.filter(({ weak }) => !weak).map(({ name }) => name));
  const places = new Map<string, bigint>();
  const textAddress = (name: string): bigint | undefined => {
    if (image.hasSymbol(name)) return layout.textBase + BigInt(image.symbolOffset(name) - image.textOffset);
    // Per-CPU variables are in BTF; of other data nobody knows but who asks for it.
    const isVariable = (kernelBtf?.findByName(name, 'VAR') ?? 0) > 0;
    if (!strong.has(name) && !isVariable) return undefined;
    const end = layout.textBase + BigInt(image.etextOffset - image.textOffset + 0x1000000);
    const place = places.get(name) ?? end + BigInt(places.size) * DATA_BYTES;
    places.set(name, place);
    return place;
  };
  const addressOf = options.addressOf ?? textAddress;
  if (kernelBtf !== undefined) return externValues(spec, { targetBtf: kernelBtf, addressOf });
  return spec.externs
    .filter(({ kind }) => kind !== 'kconfig')
    .map(extern => withoutBtf(extern, addressOf(extern.name)));
}

function withoutBtf(extern: ExternValue['extern'], address: bigint | undefined): ExternValue {
  const common = { extern, btfId: 0, btfIndex: 0, address: address ?? 0n, problem: '' };
  if (extern.kind === 'ksym_typeless' && address !== undefined) return { ...common, status: 'address' };
  if (extern.weak) return { ...common, status: 'absent', address: 0n };
  const head = extern.kind === 'ksym_typeless' ? `extern '${extern.name}' (strong)` : `extern ksym '${extern.name}'`;
  return { ...common, status: 'failed', problem: `${head}: not resolved` };
}

/** From this release on all places of a USDT are attached at once. */
const ATTACHES_USDT_AT_ONCE = 6006;

/** Type, attach type and flags under which a program is loaded. */
function loadKind(program: ProgramSpec, choices: ProgramChoices, { members }: KernelStructOps, release: number) {
  const type = choices.type ?? program.type;
  const def = matchSection(program.section)?.def;
  let attachType = choices.attachType ?? program.attachType;
  if (choices.attachType === undefined && type !== program.type) attachType = usableAttachType(type, attachType);
  if (def?.flags.includes('usdt') === true && release >= ATTACHES_USDT_AT_ONCE)
    attachType = bpf_attach_type.BPF_TRACE_UPROBE_MULTI;
  const member = type === bpf_prog_type.BPF_PROG_TYPE_STRUCT_OPS ? members.get(program.name) : undefined;
  return { type, attachType: member?.memberIdx ?? attachType, flags: program.flags | (choices.flags ?? 0), member };
}

function prepare(program: ProgramSpec, choices: ProgramChoices, facts: ObjectFacts): PreparedProgram {
  const { spec, btf, options, structOps, places, maps } = facts;
  const { type, attachType, flags, member } = loadKind(
    program,
    choices,
    structOps,
    releaseNumber(options.image.version),
  );
  const failed = (why: LoadProblem): PreparedProgram => ({ program, type, attachType, input: undefined, problem: why });
  if (facts.problem !== undefined) return failed(facts.problem);
  if (program.problem !== undefined) return failed(problem(ERRNO.EINVAL, program.problem.problem));
  if (type === bpf_prog_type.BPF_PROG_TYPE_UNSPEC) {
    const message = `prog '${program.name}': missing BPF prog type, check ELF section name '${program.section}'`;
    return failed(problem(ERRNO.EINVAL, message));
  }
  if (type === bpf_prog_type.BPF_PROG_TYPE_STRUCT_OPS && member === undefined) {
    const hint = `SEC("struct_ops") program isn't referenced anywhere, did you forget to use it?`;
    return failed(problem(ERRNO.EINVAL, `prog '${program.name}': ${hint}`));
  }
  const target = attachTarget({ ...program, type, attachType }, options.kernelBtf);
  if ('errno' in target) return failed(target);
  const insns = resolveReferences(program, spec, places);
  const attachBtfId = member?.structId ?? target.btfId;
  const attr = {
    type,
    attachType: fixupAttachType(type, attachType),
    flags,
    insnCount: insns.length,
    attachBtfId,
    attachesToProg: false,
    kernelBtf: options.kernelBtf,
    release: releaseNumber(options.image.version),
  };
  const errno = checkProgLoad(attr, options.caps ?? ALL_CAPS);
  if (errno !== 0) {
    return failed(problem(errno, `prog '${program.name}': BPF program load failed: ${errorText(errno)}`));
  }
  const input: VerifyInput = {
    name: program.name,
    type,
    attachType: attr.attachType,
    flags,
    gplCompatible: GPL_LICENSES.includes(spec.license),
    insns,
    maps,
    btf,
    funcInfo: btf === undefined || program.funcInfo.length === 0 ? undefined : funcInfoTable(program.funcInfo),
    lineInfo: btf === undefined || program.lineInfo.length === 0 ? undefined : lineInfoTable(program.lineInfo),
    attachBtfId,
  };
  return { program, type, attachType, input, problem: undefined };
}
