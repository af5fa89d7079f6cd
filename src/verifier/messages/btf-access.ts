import { plain, row } from './row.ts';

/** Accesses to structs of the kernel and of a program's own objects, by BTF. */
export const BTF_ACCESS_MESSAGES = {
  btfAccessUnpriv: row(
    'EPERM',
    (name: string) => `'struct ${name}' access is allowed only to CAP_PERFMON and CAP_SYS_ADMIN`,
  ),
  btfAccessLicense: row(
    'EINVAL',
    (name: string) => `Cannot access kernel 'struct ${name}' from non-GPL compatible program`,
  ),
  btfAccessNegative: row(
    'EACCES',
    (regno: number, name: string, off: number) => `R${regno} is ptr_${name} invalid negative access: off=${off}`,
  ),
  btfAccessVarOff: row(
    'EACCES',
    (regno: number, name: string, off: number, varOff: string) =>
      `R${regno} is ptr_${name} invalid variable offset: off=${off}, var_off=${varOff}`,
  ),
  btfAccessUser: row(
    'EACCES',
    (regno: number, name: string, off: number) => `R${regno} is ptr_${name} access user memory: off=${off}`,
  ),
  btfAccessPercpu: row(
    'EACCES',
    (regno: number, name: string, off: number) => `R${regno} is ptr_${name} access percpu memory: off=${off}`,
  ),
  btfAccessReadOnly: plain('EACCES', 'only read is supported'),
  btfAccessNoRef: plain('EFAULT', 'verifier internal error: ref_obj_id for allocated object must be non-zero'),
  btfAccessNotKernel: plain('EFAULT', 'verifier internal error: reg->btf must be kernel btf'),
  btfAccessSpecialField: row('EACCES', (field: string) => `direct access to ${field} is disallowed`),

  mapPtrNoBtf: plain('ENOTSUPP', 'map_ptr access not supported without CONFIG_DEBUG_INFO_BTF'),
  mapPtrType: row('ENOTSUPP', (type: number) => `map_ptr access not supported for map type ${type}`),
  mapPtrNegative: row(
    'EACCES',
    (regno: number, name: string, off: number) => `R${regno} is ${name} invalid negative access: off=${off}`,
  ),
  mapPtrReadOnly: row('EACCES', (name: string) => `only read from ${name} is supported`),

  structWalkNoStruct: row('EINVAL', (name: string) => `Type '${name}' is not a struct`),
  structWalkBeyond: row(
    'EACCES',
    (name: string, off: number, size: number) => `access beyond struct ${name} at off ${off} size ${size}`,
  ),
  structWalkNoSize: row('EFAULT', (member: string) => `field ${member} doesn't have size`),
  structWalkPtrMember: row(
    'EACCES',
    (member: string, memberOff: number, name: string, off: number, size: number) =>
      `cannot access ptr member ${member} with moff ${memberOff} in struct ${name} with off ${off} size ${size}`,
  ),
  structWalkBeyondMember: row(
    'EACCES',
    (member: string, end: number, name: string, off: number, size: number) =>
      `access beyond the end of member ${member} (mend:${end}) in struct ${name} with off ${off} size ${size}`,
  ),
  structWalkNoField: row('EINVAL', (name: string, off: number) => `struct ${name} doesn't have field at offset ${off}`),

  structWriteNoSupport: row('EACCES', (name: string, off: number) => `no write support to ${name} at off ${off}`),
  structWriteBeyond: row(
    'EACCES',
    (name: string, off: number, size: number, end: number) =>
      `write access at off ${off} with size ${size} beyond the member of ${name} ended at ${end}`,
  ),
  dummyOpsStateOnly: plain('EACCES', 'only access to bpf_dummy_ops_state is supported'),
  dummyOpsBeyond: row('EACCES', (off: number, size: number) => `write access at off ${off} with size ${size}`),
  hidBpfBeyond: row(
    'EACCES',
    (name: string, off: number, size: number) => `write access for struct ${name} at off ${off} with size ${size}`,
  ),
  hidBpfStruct: plain('EACCES', 'write access to this struct is not supported'),
  hidBpfReadOnly: row(
    'EACCES',
    (name: string, off: number, size: number) =>
      `write access at off ${off} with size ${size} on read-only part of ${name}`,
  ),
} as const;
