import { printInsn } from '../../asm/index.ts';
import { helperDef } from '../../helpers/index.ts';
import { BPF_PSEUDO_BTF_ID, BPF_PSEUDO_FUNC, BPF_PSEUDO_KFUNC_CALL, type Insn, LD_IMM64 } from '../../isa/index.ts';
import type { VerifyInput, VerifyOptions } from '../input.ts';

const helperName = (id: number): string | undefined => helperDef(id)?.name;

/** Names of what instructions call, and their texts: as in the verifier's log, but maps and functions by name. */
export class InsnWords {
  readonly #input: VerifyInput;
  readonly #options: VerifyOptions;

  constructor(input: VerifyInput, options: VerifyOptions) {
    this.#input = input;
    this.#options = options;
  }

  kfuncName(insn: Insn): string {
    try {
      return this.#options.kernel.btf?.nameOf(insn.imm) || 'a kernel function';
    } catch {
      return 'a kernel function';
    }
  }

  /** `bpf_map_lookup_elem`; for calls of functions of the program `undefined`. */
  calleeName(insn: Insn): string | undefined {
    if (insn.src === BPF_PSEUDO_KFUNC_CALL) return this.kfuncName(insn);
    return insn.src === 0 ? (helperName(insn.imm) ?? `helper number ${insn.imm}`) : undefined;
  }

  /** What a `ld_imm64` loads, if it is more than a number. */
  loaded(insn: Insn, idx: number): string | undefined {
    const { insns, maps } = this.#input;
    switch (insn.src) {
      case 0:
        return undefined;
      case BPF_PSEUDO_BTF_ID:
        return `address of kernel symbol ${this.kfuncName(insn)}`;
      case BPF_PSEUDO_FUNC:
        return `address of the function at instruction ${idx + insn.imm + 1}`;
      default: {
        const map = maps[insn.imm]?.name ?? '?';
        // Sources 1 and 5 name the map, 2 and 6 its value.
        return (insn.src & 1) === 1 ? `map ${map}` : `value of map ${map} + ${insns[idx + 1]?.imm ?? 0}`;
      }
    }
  }

  /** `r2 = *(u32 *)(r1 +4)` */
  text(idx: number): string {
    const { insns } = this.#input;
    const insn = insns[idx];
    if (insn === undefined) return '';
    if (insn.code === LD_IMM64) {
      const loaded = this.loaded(insn, idx);
      if (loaded !== undefined) return `r${insn.dst} = ${loaded}`;
    }
    const full = printInsn(insns, idx, {
      dialect: 'kernel',
      linux: this.#options.kernel.version,
      allowPtrLeaks: true,
      helperName,
      cbCall: callee => (callee.src === BPF_PSEUDO_KFUNC_CALL ? this.kfuncName(callee) : undefined),
    });
    return full.replace(/^\([0-9a-f]{2}\) /, '');
  }
}
