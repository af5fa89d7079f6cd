import { BPF_PSEUDO_CALL, CALL, isWide } from '../../src/isa/index.ts';
import { type CallSite, type CompiledFunc, callTarget, type JitCaps, type JitTarget } from '../../src/jit/index.ts';

/** Bytes of a call whose callee is within `NEAR`, and of any other. */
export const NEAR_BYTES = 4;
export const FAR_BYTES = 12;
export const TOY_NEAR = 0x2000000n;

const CAPS: JitCaps = {
  subprogTailCalls: false,
  kfuncCalls: true,
  farKfuncCalls: true,
  exceptions: true,
  arena: false,
  percpuInsn: false,
  ptrXchg: false,
  needsZext: false,
};

/**
 * A CPU that does not exist: four bytes an instruction, calls of two lengths. What is left of a target once instruction
 * selection is taken out, to test the driver by.
 */
export const toyTarget: JitTarget = {
  name: 'toy',
  arch: 'ppc64',
  order: 'little',
  summary: 'a CPU for tests',
  cpus: ['toy'],
  trap: Uint8Array.of(0, 0, 0, 0),
  capstone: { arch: 'ARCH_PPC', mode: ['MODE_64'] },
  elf: { machine: 21, flags: 2 },
  alignBytes: 4,
  caps: () => CAPS,
  compiler: (func, env) => {
    const grown = new Set<number>();
    return {
      emit(at, callees): CompiledFunc {
        const { insns } = func;
        const slotOffs = new Int32Array(insns.length + 1);
        const sites: CallSite[] = [];
        const words: number[] = [];
        for (let slot = 0; slot < insns.length; slot++) {
          slotOffs[slot] = 4 * words.length;
          const insn = insns[slot];
          if (insn.code !== CALL) {
            words.push(insn.code);
            if (isWide(insn)) slotOffs[++slot] = 4 * words.length;
            continue;
          }
          const target = callTarget(insn, callees, env.space, func.kfuncAddr);
          const pc = (at ?? 0n) + BigInt(4 * words.length);
          const distance = target - pc;
          const near = callees !== undefined && distance >= -TOY_NEAR && distance < TOY_NEAR && !grown.has(slot);
          if (callees !== undefined && !near) grown.add(slot);
          const offBytes = 4 * words.length;
          if (near) words.push(Number(BigInt.asIntN(32, distance)));
          else words.push(0x85, Number(target & 0xffffffffn), Number(target >> 32n));
          sites.push({
            insnIdx: slot,
            kind: insn.src === BPF_PSEUDO_CALL ? 'subprog' : 'helper',
            offBytes,
            endBytes: 4 * words.length,
            target,
            subprog: insn.src === BPF_PSEUDO_CALL ? insn.off : -1,
            form: callees === undefined ? 'placeholder' : near ? 'near' : 'far',
          });
        }
        slotOffs[insns.length] = 4 * words.length;
        return {
          bytes: new Uint8Array(Uint32Array.from(words).buffer),
          entryOff: 0,
          localEntryOff: 0,
          tailEntryOff: 0,
          slotOffs,
          sites,
          extable: [],
        };
      },
    };
  },
};
