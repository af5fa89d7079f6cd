/**
 * Instructions that exist only inside the kernel, between its verifier and its JITs. No object may hold them and the
 * instruction table does not list them; verifier fixups make them, JITs read them, dumps turn them back.
 *
 * Source: `include/linux/filter.h`.
 */

/** The scratch register of fixups and constant blinding. */
export const BPF_REG_AX = 11;

/** `bpf_tail_call` once the verifier has been over it: BPF_JMP | BPF_TAIL_CALL, arguments in R1..R3. */
export const TAIL_CALL = 0xf5;
/** A local call as the interpreter takes it: off the distance, imm the interpreter for the callee's stack. */
export const CALL_ARGS = 0xe5;
/** A barrier against speculation: BPF_ST | BPF_NOSPEC. */
export const NOSPEC = 0xc2;

/** Modes of loads and stores that may fault: a load then gives 0, a store does nothing. */
export const BPF_PROBE_MEM = 0x20;
export const BPF_PROBE_MEMSX = 0x40;
/** Accesses at the arena's base plus the low 32 bits of the register. */
export const BPF_PROBE_MEM32 = 0xa0;
export const BPF_PROBE_ATOMIC = 0xe0;
/** 7.1 and later: sign-extending loads from an arena. */
export const BPF_PROBE_MEM32SX = 0xc0;

/** off of a 64-bit register move that makes an address of another address space. */
export const BPF_ADDR_SPACE_CAST = 1;
/** off of a 64-bit register move that adds this CPU's per-CPU offset. */
export const BPF_ADDR_PERCPU = -1;
/** imm of a 32-bit register move that only zero-extends. */
export const ZEXT_IMM = 1;
