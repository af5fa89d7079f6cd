import { createRequire } from 'node:module';
import type { JitTarget } from '../../jit/index.ts';
import type { DisasmInsn, Disassembler } from '../../machine/index.ts';
import { power10Disassembler } from './power10.ts';
import { riscvBitsDisassembler } from './riscv-bits.ts';
import { z15Disassembler } from './z15.ts';

const PACKAGE = '@alexaltea/capstone-js';

interface CapstoneInsn {
  readonly address: bigint;
  readonly size: number;
  readonly mnemonic: string;
  readonly op_str: string;
}

interface CapstoneHandle {
  /** Throws where nothing decodes. */
  disasm(code: Uint8Array, address: bigint, count?: number): CapstoneInsn[];
  option(option: number, value: number): void;
}

type Capstone = Readonly<Record<string, number>> & {
  readonly Capstone: new (arch: number, mode: number) => CapstoneHandle;
};

/**
 * A disassembler for a target, by capstone; undefined where it is not installed, as it is an optional dependency: 3.5 MB of
 * WebAssembly that only `prog dump jited` and its kin read.
 */
export async function capstoneDisassembler(target: JitTarget): Promise<Disassembler | undefined> {
  const factory = capstoneFactory();
  if (factory === undefined) return undefined;
  const capstone = await factory();
  // Modes are bits, of which the highest makes a sum and a union differ in sign.
  const mode = target.capstone.mode.reduce((bits, name) => (bits | capstone[name]) >>> 0, 0);
  const handle = new capstone.Capstone(capstone[target.capstone.arch], mode);
  if (target.capstone.arch === 'ARCH_X86') handle.option(capstone['OPT_SYNTAX'], capstone['OPT_SYNTAX_ATT']);
  const known = cachedDisassembler(handle);
  const later =
    target.arch === 'ppc64'
      ? power10Disassembler(target)
      : target.arch === 'riscv64'
        ? riscvBitsDisassembler
        : target.arch === 's390x'
          ? z15Disassembler
          : undefined;
  if (later === undefined) return known;
  return (code, offBytes, addr) => later(code, offBytes, addr) ?? known(code, offBytes, addr);
}

function capstoneFactory(): (() => Promise<Capstone>) | undefined {
  const require = createRequire(import.meta.url);
  try {
    return require(PACKAGE) as () => Promise<Capstone>;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND') return undefined;
    throw error;
  }
}

/** Decodes from a place to the end of a function at once, and answers from that. */
function cachedDisassembler(handle: CapstoneHandle): Disassembler {
  let known: Uint8Array | undefined;
  let insns = new Map<number, DisasmInsn>();
  return (code, offBytes, addr) => {
    if (known !== code) {
      known = code;
      insns = new Map();
    }
    if (!insns.has(offBytes)) {
      for (const insn of decode(handle, code.subarray(offBytes), addr)) {
        const at = offBytes + Number(BigInt.asUintN(64, insn.address - addr));
        insns.set(at, { sizeBytes: insn.size, mnemonic: insn.mnemonic, operands: insn.op_str });
      }
    }
    return insns.get(offBytes);
  };
}

function decode(handle: CapstoneHandle, code: Uint8Array, addr: bigint): CapstoneInsn[] {
  try {
    return handle.disasm(code, addr);
  } catch {
    return [];
  }
}
