import { baseType, PTR_TO_CTX, PTR_TO_MAP_VALUE } from '../../../helpers/index.ts';
import { progTypeName } from '../../../uapi/index.ts';
import type { ExplainCase } from '../case.ts';
import { accessBytes, roleOf } from '../operands.ts';
import { targetWords } from '../value-words.ts';
import { accessOf, accessWords, bytesWords, calleeOf } from './access.ts';
import { reg, type Subject, type TellRow } from './row.ts';

/** The register a load or store goes through. */
function baseReg(c: ExplainCase): number {
  const { insn } = c;
  if (insn === undefined) return 1;
  return roleOf(insn) === 'load' ? insn.src : insn.dst;
}
function base(c: ExplainCase): Subject[] {
  const { insn } = c;
  if (!c.inWalk || insn === undefined) return [];
  if (roleOf(insn) !== 'call') return [reg(baseReg(c))];
  // Of a call's arguments, those that point to map values.
  return [1, 2, 3, 4, 5].filter(regno => baseType(c.reg(regno)?.type ?? 0) === PTR_TO_MAP_VALUE).map(reg);
}

const ctxAccess: TellRow = c => {
  const write = accessOf(c).write;
  return {
    title: `The context has nothing that could be ${write ? 'written' : 'read'} at offset ${c.num(0)} like this`,
    attempted:
      `The instruction ${write ? 'writes' : 'reads'} ${bytesWords(c.num(1))} of ${c.ctxName} at offset ${c.num(0)}. ` +
      `For programs of type ${progTypeName(c.input.type)} that is not a field, not of that size, or not one to be ${write ? 'written' : 'read'}.`,
    remedies: [
      `Use a field of ${c.ctxName} by name, with its own size; many fields cannot be written, and some are only there for certain attach types.`,
      'Check that the section name gives the program the type it is meant to have: the context belongs to the type.',
      'Tracing programs: the arguments of the traced function are 8 bytes each, and there are only as many as it has.',
    ],
    subjects: base(c),
  };
};

const modified: TellRow = c => {
  const regno = c.num(1);
  const held = c.reg(regno);
  const ctx = held !== undefined && baseType(held.type) === PTR_TO_CTX;
  return {
    title: ctx
      ? 'The context pointer was moved before it was used'
      : `A pointer to ${held === undefined ? 'an object' : targetWords(held)} was moved before it was used`,
    attempted: `r${regno} is ${c.regWords(regno)}: ${bytesWords(Math.abs(c.num(2)))} away from where it began. ${ctx ? 'Fields of the context' : 'Such objects'} can only be reached from their beginning.`,
    remedies: [
      'Access fields through the original pointer: `ctx->field`. Do not keep the address of a field in a variable (`&ctx->field`), and do not index it like an array.',
      'If the compiler does it by itself, read the field through a volatile pointer: `*(volatile __u32 *)&ctx->field`.',
    ],
    subjects: [reg(regno)],
  };
};

const variable: TellRow = c => ({
  title: 'An object is accessed at an offset that is only known at run time',
  attempted: `The offset into a ${c.str(0)} object is not a constant. The kernel rewrites such accesses when the program is loaded and has to know which field is meant.`,
  remedies: [
    'Choose the field with `if` or `switch` instead of an index, or have the loop unrolled: `#pragma unroll`.',
  ],
  subjects: base(c),
});

const packetWrite: TellRow = c => ({
  title: 'Programs of this type cannot write to the packet directly',
  attempted: `A store goes to the packet; programs of type ${progTypeName(c.input.type)} may only read it that way.`,
  remedies: [
    'Use `bpf_skb_store_bytes()`, if this program type may call it.',
    'Change packets in a program that may: XDP, tc (`SEC("tc")`), sk_skb, lwt_xmit.',
  ],
  subjects: base(c),
});

const readOnly: TellRow = c => ({
  title: `Memory is written that is only for reading`,
  attempted: `${accessWords(c, c.num(0))}, which is ${c.regWords(c.num(0))}.`,
  remedies: ['Work on a copy: a variable on the stack or a map value.'],
  subjects: [reg(c.num(0))],
});

const mapWrite: TellRow = c => ({
  title: 'The program writes to a map it may only read',
  attempted: `${c.insn !== undefined && roleOf(c.insn) === 'call' ? `${calleeOf(c)}()` : 'The instruction'} writes ${bytesWords(c.num(2))} at offset ${c.num(1)} of a map that programs may not write: a constant variable (\`const\`, .rodata), or a map made with BPF_F_RDONLY_PROG.`,
  remedies: [
    'Remove `const` from a variable that changes; it is then kept in .data or .bss.',
    'Or make the map without BPF_F_RDONLY_PROG.',
  ],
  subjects: base(c),
});

const misaligned: TellRow = c => {
  const size = c.insn === undefined ? 8 : accessBytes(c.insn);
  return {
    title: 'The access is not aligned',
    attempted: `The instruction accesses ${bytesWords(size)} at an address that is not (or may not be) a multiple of ${size}. ${c.str(0).includes('stack') ? 'On the stack that is never allowed.' : 'This program was loaded with strict alignment, or the CPU needs it.'}`,
    remedies: [
      'Put fields where their size wants them, or read byte by byte: `__builtin_memcpy(&x, p, sizeof(x))` from a packed structure.',
      'Packets: the IP header begins 14 bytes after the start, which counts as aligned to 4 together with the 2 bytes the kernel leaves before it.',
    ],
    subjects: base(c),
  };
};

const special: TellRow = c => ({
  title: `${c.str(0)} is not for direct access`,
  attempted: `The instruction touches a field of type ${c.str(0)} in a map value, which only the helpers made for it may touch.`,
  remedies: ['Access the other fields by name; do not copy or clear the whole value with an assignment or `memset()`.'],
  subjects: base(c),
});

const structReadOnly: TellRow = c => ({
  title: 'Structures of the kernel are only for reading',
  attempted: 'The instruction writes to an object of the kernel. This program may read its fields, not change them.',
  remedies: [
    'Use a helper or kernel function that makes the change.',
    'Keep data of your own in a map, or in storage that belongs to the object: `bpf_task_storage_get()`, `bpf_sk_storage_get()`.',
  ],
  subjects: base(c),
});

const structBeyond: TellRow = c => ({
  title: `The access lies beyond struct ${c.str(0)}`,
  attempted: `The instruction reads ${bytesWords(c.num(2))} at offset ${c.num(1)}, and struct ${c.str(0)} is shorter on this kernel.`,
  remedies: [
    'Declare the structure with `__attribute__((preserve_access_index))` (vmlinux.h does), so that offsets are those of the running kernel.',
  ],
  subjects: base(c),
});

const twoPointers: TellRow = c => ({
  title: 'One instruction accesses two kinds of memory',
  attempted:
    'On one path it goes through a pointer of one kind, on another path through one of another kind. The kernel rewrites such instructions, and can do so only one way.',
  remedies: [
    'Write the access twice, one in each branch; if the compiler joins them, put `asm volatile("");` into one branch.',
  ],
  subjects: base(c),
});

const kfuncType: TellRow = c => ({
  title: `${c.str(0)}() is not for programs of type ${progTypeName(c.input.type)}`,
  attempted: `Every kernel function says which program types may call it. ${c.str(0)}() does not name ${progTypeName(c.input.type)}.`,
  remedies: [
    'Call it from a program of a type that may (most functions for tasks and cgroups: tracing, LSM, struct_ops and syscall programs).',
    'For this type look for a helper that does the same.',
  ],
});

const untrusted: TellRow = c => {
  const regno = c.num(0);
  return {
    title: `${calleeOf(c)}() needs an object that is sure to stay`,
    attempted:
      `Argument ${regno} has to be an object the kernel vouches for: an argument of the traced function, or what an acquiring function returned. ` +
      `r${regno} is ${c.regWords(regno)}. A pointer read from inside another object may be stale at any time.`,
    remedies: [
      'Get a reference of your own first, and check it: `p = bpf_task_acquire(task); if (!p) return 0; … bpf_task_release(p);`.',
      'For a field marked as RCU-protected, read it between `bpf_rcu_read_lock()` and `bpf_rcu_read_unlock()`.',
    ],
    subjects: [reg(regno)],
  };
};

const attachSleepable: TellRow = c => ({
  title: `${c.str(0)}() is not a place where a program may sleep`,
  attempted: `The section name asks for a sleepable program (\`.s\`), attached to ${c.str(0)}(). The kernel allows that only where it says the function may be interrupted so.`,
  remedies: [
    'Use a program that does not sleep: leave out the `.s` (`fentry/`, `fmod_ret/`, `lsm/`).',
    'Or attach to a system call or an LSM hook that may sleep.',
  ],
});

const lsmDisabled: TellRow = c => ({
  title: `Nothing can be attached to the LSM hook ${c.str(1)}()`,
  attempted: `The kernel keeps programs away from ${c.str(1)}(): its result is not an errno, or the kernel could not go on with one that a program makes.`,
  remedies: [
    'Choose another hook that is called on the same way (see `include/linux/lsm_hook_defs.h`), or trace the function with fentry.',
  ],
});

const mapRead: TellRow = c => ({
  title: 'The program reads from a map it may only write',
  attempted: `The instruction reads ${bytesWords(c.num(2))} at offset ${c.num(1)} of a map that was made with BPF_F_WRONLY_PROG.`,
  remedies: ['Make the map without BPF_F_WRONLY_PROG.'],
  subjects: base(c),
});

const sockAccess: TellRow = c => ({
  title: 'This field of a socket cannot be accessed like this',
  attempted: `${bytesWords(c.num(3))} at offset ${c.num(2)} of the socket ${accessOf(c).write ? 'would be written' : 'would be read'} (${c.regWords(c.num(0))}). That is not a field, not of that size, or not one this kind of socket pointer has.`,
  remedies: [
    'Use the fields of `struct bpf_sock` by name, with their own size; they cannot be written.',
    'Some fields need a full socket: `sk = bpf_sk_fullsock(sk); if (!sk) return 0;`.',
  ],
  subjects: [reg(c.num(0))],
});

const atomicTarget: TellRow = c => ({
  title: 'An atomic operation on memory that does not allow it',
  attempted: `r${c.num(0)} is ${c.regWords(c.num(0))}. Atomic operations work on the stack and in map values, not on what the kernel rewrites accesses to.`,
  remedies: ['Read the value, compute, and write it back, or keep the counter in a map.'],
  subjects: [reg(c.num(0))],
});

export const OBJECT_ROWS = {
  attachNotSleepable: attachSleepable,
  lsmDisabled,
  mapReadForbidden: mapRead,
  sockAccess,
  atomicTarget,
  ctxAccess,
  ptrOffModified: modified,
  ptrOffNegative: modified,
  ptrOffVariable: variable,
  packetWrite,
  memReadOnly: readOnly,
  mapWriteForbidden: mapWrite,
  misaligned,
  packetMisaligned: misaligned,
  specialFieldAccess: special,
  btfAccessReadOnly: structReadOnly,
  structWalkBeyond: structBeyond,
  insnPointerTypes: twoPointers,
  kfuncNotAllowed: kfuncType,
  kfuncArgUntrusted: untrusted,
  kfuncArgNotRcu: untrusted,
} satisfies Record<string, TellRow>;
