import { type Btf, type BtfComposite, type BtfMember, type BtfType, essentialName } from '../../btf/index.ts';
import type { ObjectSpec, StructOpsSpec } from '../../object/index.ts';
import { bpf_prog_type, ERRNO } from '../../uapi/index.ts';
import { type LoadProblem, problem } from './problem.ts';

/** What a struct_ops program implements: a struct of the kernel's BTF, and the number of its member. */
export interface StructOpsMember {
  readonly structId: number;
  readonly memberIdx: number;
}

/** What a struct_ops map is made of. */
export interface StructOpsMap {
  /** `struct bpf_struct_ops_X` in the kernel's BTF. */
  readonly valueId: number;
  readonly valueSizeBytes: number;
}

/** struct_ops variables fitted to a kernel. */
export interface KernelStructOps {
  /** By program. */
  readonly members: ReadonlyMap<string, StructOpsMember>;
  /** By the variable's name; those that are made by themselves. */
  readonly maps: ReadonlyMap<string, StructOpsMap>;
  /** Why libbpf would not load the object. */
  readonly problem: LoadProblem | undefined;
}

/** Thrown and caught here. */
class Unfit {
  readonly problem: LoadProblem;
  constructor(errno: number, message: string) {
    this.problem = problem(errno, message);
  }
}

interface Fitting {
  readonly spec: ObjectSpec;
  readonly kernelBtf: Btf;
  readonly members: Map<string, StructOpsMember>;
}

/**
 * Fits the struct_ops variables of an object that are made by themselves to the kernel's structs of the same names.
 *
 * Source: `tools/lib/bpf/libbpf.c: bpf_object__init_kern_struct_ops_maps, bpf_map__init_kern_struct_ops`.
 */
export function fitStructOps(spec: ObjectSpec, kernelBtf: Btf | undefined): KernelStructOps {
  const members = new Map<string, StructOpsMember>();
  const maps = new Map<string, StructOpsMap>();
  const { btf } = spec;
  try {
    for (const variable of spec.structOps) {
      if (variable.section.startsWith('?') || btf === undefined) continue;
      if (kernelBtf === undefined) throw notFound(variable.typeName, ERRNO.ESRCH);
      maps.set(variable.name, fitVariable(variable, btf, { spec, kernelBtf, members }));
    }
  } catch (error) {
    if (error instanceof Unfit) return { members, maps, problem: error.problem };
    throw error;
  }
  return { members, maps, problem: undefined };
}

const notFound = (name: string, errno: number = ERRNO.ENOENT): Unfit =>
  new Unfit(errno, `struct_ops init_kern: struct ${name} is not found in kernel BTF`);

function structNamed(btf: Btf, name: string, errno: number = ERRNO.ENOENT): BtfComposite {
  const type = btf.typeById(btf.findByName(name, 'STRUCT'));
  if (type.kind !== 'STRUCT') throw notFound(name, errno);
  return type;
}

function fitVariable(variable: StructOpsSpec, btf: Btf, fitting: Fitting): StructOpsMap {
  const { kernelBtf } = fitting;
  const name = essentialName(variable.typeName);
  const struct = structNamed(kernelBtf, name, ERRNO.ESRCH);
  const value = structNamed(kernelBtf, `bpf_struct_ops_${name}`);
  if (!value.members.some(({ typeId }) => typeId === struct.id)) {
    const message = `struct_ops init_kern: struct ${name} data is not found in struct bpf_struct_ops_${name}`;
    throw new Unfit(ERRNO.EINVAL, message);
  }
  const type = btf.typeById(variable.typeId);
  if (type.kind !== 'STRUCT') throw notFound(name);
  for (const member of type.members) fitMember(variable, btf, member, struct, fitting);
  return { valueId: value.id, valueSizeBytes: value.sizeBytes };
}

function fitMember(
  variable: StructOpsSpec,
  btf: Btf,
  member: BtfMember,
  struct: BtfComposite,
  { spec, kernelBtf, members }: Fitting,
): void {
  const head = `struct_ops init_kern ${variable.name}`;
  const off = member.bitOffset >> 3;
  const size = btf.trySizeOf(member.typeId);
  const prog = variable.programs.find(row => row.member === member.name)?.prog;
  if (typeof size !== 'number') {
    throw new Unfit(ERRNO.EINVAL, `${head}: failed to resolve the size of member ${member.name}`);
  }
  const memberIdx = struct.members.findIndex(row => row.name === member.name);
  if (memberIdx < 0) {
    if (prog === undefined && variable.data.subarray(off, off + size).every(byte => byte === 0)) return;
    throw new Unfit(ERRNO.EOPNOTSUPP, `${head}: Cannot find member ${member.name} in kernel BTF`);
  }
  const target = struct.members[memberIdx];
  if (member.bitSize !== 0 || target.bitSize !== 0) {
    throw new Unfit(ERRNO.EOPNOTSUPP, `${head}: bitfield ${member.name} is not supported`);
  }
  const local = strip(btf, member.typeId);
  const kernel = strip(kernelBtf, target.typeId);
  if (local.kind !== kernel.kind) {
    const message = `${head}: Unmatched member type ${member.name} ${local.kind} != ${kernel.kind}(kernel)`;
    throw new Unfit(ERRNO.EOPNOTSUPP, message);
  }
  if (kernel.kind !== 'PTR') {
    const kernelSize = kernelBtf.trySizeOf(kernel.id);
    if (kernelSize === size) return;
    const message = `${head}: Error in size of member ${member.name}: ${size} != ${kernelSize}(kernel)`;
    throw new Unfit(ERRNO.EOPNOTSUPP, message);
  }
  if (prog === undefined) return;
  const program = spec.programs.find(row => row.name === prog);
  if (program?.type !== bpf_prog_type.BPF_PROG_TYPE_STRUCT_OPS) {
    throw new Unfit(ERRNO.EOPNOTSUPP, `${head}: member ${member.name} is not a struct_ops program`);
  }
  if (strip(kernelBtf, kernel.typeId).kind !== 'FUNC_PROTO') {
    throw new Unfit(ERRNO.EOPNOTSUPP, `${head}: kernel member ${member.name} is not a func ptr`);
  }
  const known = members.get(prog);
  if (known !== undefined && (known.structId !== struct.id || known.memberIdx !== memberIdx)) {
    const differs =
      known.structId === struct.id
        ? `expected_attach_type ${known.memberIdx} != kern_member_idx ${memberIdx}`
        : `attach_btf_id ${known.structId} != kern_type_id ${struct.id}`;
    const reuse = `invalid reuse of prog ${prog} in sec ${program.section} with type ${program.type}`;
    throw new Unfit(ERRNO.EINVAL, `${head} func ptr ${member.name}: ${reuse}: ${differs}`);
  }
  members.set(prog, { structId: struct.id, memberIdx });
}

const strip = (btf: Btf, id: number): BtfType => btf.typeById(btf.skipModifiers(id));
