import { plain, row } from './row.ts';

/** What the verifier says of what programs are attached to. Several refusals have no words. */
export const ATTACH_MESSAGES = {
  // check_attach_btf_id
  attachRefused: plain('EINVAL', ''),
  attachNotSupported: plain('ENOTSUPP', ''),
  syscallSleepable: plain('EINVAL', 'Syscall programs can only be sleepable'),
  sleepableKinds: plain(
    'EINVAL',
    'Only fentry/fexit/fmod_ret, lsm, iter, uprobe, and struct_ops programs can be sleepable',
  ),
  attachNoreturn: plain('EINVAL', 'Attaching fexit/fmod_ret to __noreturn functions is rejected.'),

  // check_struct_ops_btf_id
  structOpsLicense: plain('EINVAL', 'struct ops programs must have a GPL compatible license'),
  structOpsStruct: row('ENOTSUPP', (id: number) => `attach_btf_id ${id} is not a supported struct`),
  structOpsIndex: row('EINVAL', (idx: number, name: string) => `attach to invalid member idx ${idx} of struct ${name}`),
  structOpsMember: row(
    'EINVAL',
    (member: string, idx: number, name: string) => `attach to invalid member ${member}(@idx ${idx}) of struct ${name}`,
  ),
  structOpsUnsupported: row(
    'ENOTSUPP',
    (member: string, name: string) => `attach to unsupported member ${member} of struct ${name}`,
  ),

  // bpf_check_attach_target
  attachNoId: plain('EINVAL', 'Tracing programs must provide btf_id'),
  attachNoBtf: plain('EINVAL', 'FENTRY/FEXIT program can only be attached to another program annotated with BTF'),
  attachId: row('EINVAL', (id: number) => `attach_btf_id ${id} is invalid`),
  attachNoSubprog: row('EINVAL', (name: string) => `Subprog ${name} doesn't exist`),
  extStatic: plain('EINVAL', 'Cannot replace static functions'),
  extNoJit: plain('EINVAL', 'Extension programs should be JITed'),
  extChangesPacket: plain('EINVAL', 'Extension program changes packet data, while original does not'),
  attachNotJited: plain('EINVAL', 'Can attach to only JITed progs'),
  attachNested: plain('EINVAL', 'Cannot nest tracing program attach more than once'),
  attachRecursive: plain('EINVAL', 'Cannot recursively attach'),
  extOfTracing: plain('EINVAL', 'Cannot extend fentry/fexit'),
  extOfKernel: plain('EINVAL', 'Cannot replace kernel functions'),
  attachRawTpProg: plain('EINVAL', 'Only FENTRY/FEXIT progs are attachable to another BPF prog'),
  attachNotTypedef: row('EINVAL', (id: number) => `attach_btf_id ${id} is not a typedef`),
  attachTypeName: row('EINVAL', (id: number, name: string) => `attach_btf_id ${id} points to wrong type name ${name}`),
  attachNotFunc: row('EINVAL', (id: number) => `attach_btf_id ${id} is not a function`),
  attachNoAddress: row('ENOENT', (name: string) => `The address of function ${name} cannot be found`),
  attachNotSleepable: row('EINVAL', (name: string) => `${name} is not sleepable`),
  attachProgRetval: plain('EINVAL', "can't modify return codes of BPF programs"),
  attachNotModifiable: row('EINVAL', (name: string) => `${name}() is not modifiable`),

  // btf_check_type_match
  extNoBtf: plain('EINVAL', 'Program extension requires BTF'),
  extNotGlobal: row('EINVAL', (name: string) => `${name}() is not a global function`),
  extArgCount: row(
    'EINVAL',
    (name: string, count: number, target: string, targetCount: number) =>
      `${name}() has ${count} args while ${target}() has ${targetCount} args`,
  ),
  extReturn: row(
    'EINVAL',
    (kind: string, name: string, targetKind: string, target: string) =>
      `Return type ${kind} of ${name}() doesn't match type ${targetKind} of ${target}()`,
  ),
  extArgKind: row(
    'EINVAL',
    (arg: number, name: string, kind: string, target: string, targetKind: string) =>
      `arg${arg} in ${name}() is ${kind} while ${target}() has ${targetKind}`,
  ),
  extArgSize: row(
    'EINVAL',
    (arg: number, name: string, size: number, target: string, targetSize: number) =>
      `arg${arg} in ${name}() has size ${size} while ${target}() has ${targetSize}`,
  ),
  extArgType: row('EINVAL', (arg: number, name: string) => `arg${arg} in ${name}() has unrecognized type`),
  extArgCtx: row('EINVAL', (arg: number, name: string) => `arg${arg} in ${name}() is not a pointer to context`),
  extArgStruct: row(
    'EINVAL',
    (arg: number, name: string, struct: string, target: string, targetStruct: string) =>
      `arg${arg} ${name}(struct ${struct} *) doesn't match ${target}(struct ${targetStruct} *)`,
  ),

  // bpf_lsm_verify_prog
  lsmLicense: plain('EINVAL', 'LSM programs must have a GPL compatible license'),
  lsmDisabled: row('EINVAL', (id: number, name: string) => `attach_btf_id ${id} points to disabled hook ${name}`),
} as const;
