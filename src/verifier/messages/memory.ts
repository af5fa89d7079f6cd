import { plain, row } from './row.ts';

/** Accesses to stacks, maps, packets, contexts, buffers and memory handed to helpers. */
export const MEMORY_MESSAGES = {
  // Stack
  stackCorruptSpill: plain('EACCES', 'attempt to corrupt spilled pointer on stack'),
  stackSpillSize: plain('EACCES', 'invalid size of register spill'),
  stackSpillToCaller: plain('EINVAL', 'cannot spill pointers to stack into stack frame of the caller'),
  /** No newline follows it in Linux: see `refuseUnfinished`. */
  stackVarOffSpilledPtr: row(
    'EINVAL',
    (insnIdx: number, off: number) =>
      `spilled ptr in range of var-offset stack write; insn ${insnIdx}, ptr off: ${off}`,
  ),
  stackVarOffUninit: row(
    'EINVAL',
    (insnIdx: number, off: number) =>
      `uninit stack in range of var-offset write prohibited for !root; insn ${insnIdx}, off: ${off}`,
  ),
  stackFillSize: plain('EACCES', 'invalid size of register fill'),
  stackInvalidRead: row(
    'EACCES',
    (off: number, i: number, size: number) => `invalid read from stack off ${off}+${i} size ${size}`,
  ),
  stackLeak: row('EACCES', (off: number) => `leaking pointer from stack off ${off}`),
  stackVarOffHelper: row(
    'EACCES',
    (varOff: string, off: number, size: number) =>
      `variable offset stack pointer cannot be passed into helper function; var_off=${varOff} off=${off} size=${size}`,
  ),
  stackUnbounded: row(
    'EACCES',
    (access: string, regno: number) => `invalid unbounded variable-offset${access} stack R${regno}`,
  ),
  stackOutOfBounds: row(
    'EACCES',
    (access: string, regno: number, off: number, size: number) =>
      `invalid${access} stack R${regno} off=${off} size=${size}`,
  ),
  stackVarOffOutOfBounds: row(
    'EACCES',
    (access: string, regno: number, varOff: string, off: number, size: number) =>
      `invalid variable-offset${access} stack R${regno} var_off=${varOff} off=${off} size=${size}`,
  ),
  stackZeroSizedRead: plain('EACCES', 'invalid zero-sized read'),
  stackVarOffUnpriv: row(
    'EACCES',
    (regno: number, access: string, varOff: string) =>
      `R${regno}${access} variable offset stack access prohibited for !root, var_off=${varOff}`,
  ),
  stackDynptrWrite: row('EACCES', (off: number) => `potential write to dynptr at off=${off} disallowed`),
  stackUninitRead: row(
    'EACCES',
    (access: string, regno: number, off: number, i: number, size: number) =>
      `invalid${access} read from stack R${regno} off ${off}+${i} size ${size}`,
  ),
  stackVarOffUninitRead: row(
    'EACCES',
    (access: string, regno: number, varOff: string, i: number, size: number) =>
      `invalid${access} read from stack R${regno} var_off ${varOff}+${i} size ${size}`,
  ),

  // Regions of known size
  mapWriteForbidden: row(
    'EACCES',
    (valueSize: number, off: number, size: number) =>
      `write into map forbidden, value_size=${valueSize} off=${off} size=${size}`,
  ),
  mapReadForbidden: row(
    'EACCES',
    (valueSize: number, off: number, size: number) =>
      `read from map forbidden, value_size=${valueSize} off=${off} size=${size}`,
  ),
  mapKeyAccess: row(
    'EACCES',
    (keySize: number, off: number, size: number) =>
      `invalid access to map key, key_size=${keySize} off=${off} size=${size}`,
  ),
  mapValueAccess: row(
    'EACCES',
    (valueSize: number, off: number, size: number) =>
      `invalid access to map value, value_size=${valueSize} off=${off} size=${size}`,
  ),
  packetAccess: row(
    'EACCES',
    (off: number, size: number, regno: number, id: number, range: number) =>
      `invalid access to packet, off=${off} size=${size}, R${regno}(id=${id},off=${off},r=${range})`,
  ),
  memoryAccess: row(
    'EACCES',
    (memSize: number, off: number, size: number) =>
      `invalid access to memory, mem_size=${memSize} off=${off} size=${size}`,
  ),
  memMinNegative: row(
    'EACCES',
    (regno: number) => `R${regno} min value is negative, either use unsigned index or do a if (index >=0) check.`,
  ),
  memMinOutside: row('EACCES', (regno: number) => `R${regno} min value is outside of the allowed memory range`),
  memUnbounded: row(
    'EACCES',
    (regno: number) => `R${regno} unbounded memory access, make sure to bounds check any such access`,
  ),
  memMaxOutside: row('EACCES', (regno: number) => `R${regno} max value is outside of the allowed memory range`),
  mapKeyWrite: row('EACCES', (regno: number) => `write to change key R${regno} not allowed`),

  // Pointers as they were handed out
  ptrOffNegative: row(
    'EACCES',
    (type: string, regno: number, off: number) => `negative offset ${type} ptr R${regno} off=${off} disallowed`,
  ),
  ptrOffModified: row(
    'EACCES',
    (type: string, regno: number, off: number) => `dereference of modified ${type} ptr R${regno} off=${off} disallowed`,
  ),
  ptrOffVariable: row(
    'EACCES',
    (type: string, varOff: string) => `variable ${type} access var_off=${varOff} disallowed`,
  ),

  // Kptrs in maps. The wrong type: two verbose() calls and a third for the end make the line.
  kptrBadType: row(
    'EACCES',
    (regno: number, type: string, name: string, expected: string, target: string, or: string) =>
      `invalid kptr access, R${regno} type=${type}${name} expected=${expected}${target}${or}`,
  ),
  kptrMode: plain('EACCES', 'kptr in map can only be accessed using BPF_MEM instruction mode'),
  kptrStoreReferenced: plain('EACCES', 'store to referenced kptr disallowed'),
  kptrStoreImm: row('EACCES', (off: number) => `BPF_ST imm must be 0 when storing to kptr at off=${off}`),
  kptrClass: plain('EACCES', 'kptr in map can only be accessed using BPF_LDX/BPF_STX/BPF_ST'),
  kptrIndirect: plain('EACCES', 'kptr cannot be accessed indirectly by helper'),
  kptrVarOff: plain('EACCES', 'kptr access cannot have variable offset'),
  kptrMisaligned: row(
    'EACCES',
    (expected: number, off: number) => `kptr access misaligned expected=${expected} off=${off}`,
  ),
  kptrSize: plain('EACCES', 'kptr access size must be BPF_DW'),
  specialFieldAccess: row('EACCES', (field: string) => `${field} cannot be accessed directly by load/store`),

  // Packets, contexts, sockets, buffers
  packetOutside: row('EACCES', (regno: number) => `R${regno} offset is outside of the packet`),
  packetWrite: plain('EACCES', 'cannot write into packet'),
  ctxAccess: row('EACCES', (off: number, size: number) => `invalid bpf_context access off=${off} size=${size}`),
  flowKeysVariable: row(
    'EACCES',
    (regno: number, off: number, varOff: string) =>
      `R${regno} invalid variable offset to flow keys: off=${off}, var_off=${varOff}`,
  ),
  flowKeysAccess: row('EACCES', (off: number, size: number) => `invalid access to flow keys off=${off} size=${size}`),
  sockAccess: row(
    'EACCES',
    (regno: number, type: string, off: number, size: number) =>
      `R${regno} invalid ${type} access off=${off} size=${size}`,
  ),
  bufferAccess: row(
    'EACCES',
    (regno: number, buffer: string, off: number, size: number) =>
      `R${regno} invalid ${buffer} buffer access: off=${off}, size=${size}`,
  ),
  bufferVarOff: row(
    'EACCES',
    (regno: number, off: number, varOff: string) =>
      `R${regno} invalid variable buffer offset: off=${off}, var_off=${varOff}`,
  ),

  // Alignment
  packetMisaligned: row(
    'EACCES',
    (ipAlign: number, varOff: string, regOff: number, off: number, size: number) =>
      `misaligned packet access off ${ipAlign}+${varOff}+${regOff}+${off} size ${size}`,
  ),
  misaligned: row(
    'EACCES',
    (what: string, varOff: string, regOff: number, off: number, size: number) =>
      `misaligned ${what}access off ${varOff}+${regOff}+${off} size ${size}`,
  ),

  // check_mem_access
  leaksAddr: row('EACCES', (regno: number, where: string) => `R${regno} leaks addr into ${where}`),
  memInvalidAccess: row('EACCES', (regno: number, type: string) => `R${regno} invalid mem access '${type}'`),
  memReadOnly: row('EACCES', (regno: number, type: string) => `R${regno} cannot write into ${type}`),
  insnPointerTypes: plain('EINVAL', 'same insn cannot be used with different pointers'),

  // Atomics
  atomicOpcode: row('EINVAL', (imm: string) => `BPF_ATOMIC uses invalid atomic opcode ${imm}`),
  atomicSize: plain('EINVAL', 'invalid atomic operand size'),
  atomicTarget: row(
    'EACCES',
    (regno: number, type: string, does: string) => `BPF_ATOMIC ${does} R${regno} ${type} is not allowed`,
  ),

  // Memory and sizes handed to helpers and kfuncs
  memArgType: row(
    'EACCES',
    (regno: number, type: string, expected: string) => `R${regno} type=${type} expected=${expected}`,
  ),
  memArgSizeNegative: row(
    'EACCES',
    (regno: number) => `R${regno} min value is negative, either use unsigned or 'var &= const'`,
  ),
  memArgSizeZero: row(
    'EACCES',
    (regno: number, min: string, max: string) => `R${regno} invalid zero-sized read: u64=[${min},${max}]`,
  ),
  memArgSizeUnbounded: row(
    'EACCES',
    (regno: number) => `R${regno} unbounded memory access, use 'var &= const' or 'if (var < const)'`,
  ),
} as const;
