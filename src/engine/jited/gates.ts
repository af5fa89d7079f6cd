import { checkHelperArgs, type HelperDef, ProgramFault, ProgramThrow } from '../../helpers/index.ts';
import { hi32, hiOfNumber, lo32 } from '../../util/index.ts';
import type { EmulatedCpu, KernelGate } from '../emu-types.ts';
import type { JitedMachine } from './machine-state.ts';

/** Arguments a helper may have. */
const ARGS = 5;

/** Which arguments of a contract are functions of the program, by index. */
function funcArgs(def: HelperDef): readonly number[] {
  return def.proto.args.flatMap((arg, index) => (arg.type === 'ARG_PTR_TO_FUNC' ? [index] : []));
}

/** A helper or kfunc as compiled code reaches it. */
export function helperGate(state: JitedMachine, def: HelperDef): KernelGate {
  const { env } = state.host;
  const funcs = funcArgs(def);
  return {
    name: def.name,
    argCount: Math.min(ARGS, def.proto.args.length),
    call(cpu, out) {
      const { regs } = env;
      for (let n = 0; n < ARGS; n++) {
        regs[2 * n + 2] = cpu.argLo(n);
        regs[2 * n + 3] = cpu.argHi(n);
      }
      // Helpers know functions by a place in the linear memory; compiled functions are at kernel addresses.
      for (const n of funcs) {
        const handle = state.funcHandle(cpu.argHi(n), cpu.argLo(n));
        if (handle === 0) continue;
        regs[2 * n + 2] = handle;
        regs[2 * n + 3] = 0;
      }
      checkHelperArgs(env, def);
      let result: number | bigint;
      try {
        result = def.run(env, regs[2] >>> 0, regs[4] >>> 0, regs[6] >>> 0, regs[8] >>> 0, regs[10] >>> 0);
      } catch (error) {
        if (!(error instanceof ProgramThrow)) throw error;
        state.throwException(cpu, error.cookie);
        return;
      }
      if (typeof result === 'number') {
        out[0] = result;
        out[1] = hiOfNumber(result);
      } else {
        out[0] = lo32(result);
        out[1] = hi32(result);
      }
    },
  };
}

/** `bpf_skb_load_helper_*_no_cache`: what `ld_abs` and `ld_ind` became. -EFAULT outside the packet. */
export function packetLoadGate(state: JitedMachine, name: string, sizeBytes: 1 | 2 | 4): KernelGate {
  return {
    name,
    call(cpu: EmulatedCpu, out: Int32Array) {
      const value = state.host.packetLoad(cpu.argLo(1), sizeBytes);
      out[0] = value ?? -14;
      out[1] = value === undefined ? -1 : 0;
    },
  };
}

/** A function of the kernel that nobody here has behaviour for. */
export function unknownGate(name: string): KernelGate {
  return {
    name,
    call() {
      throw new ProgramFault('bad-call', `the kernel's ${name} is not there`);
    },
  };
}
