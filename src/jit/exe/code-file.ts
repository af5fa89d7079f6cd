import {
  ElfWriter,
  ET_EXEC,
  SHF_ALLOC,
  SHF_EXECINSTR,
  SHF_WRITE,
  STB_GLOBAL,
  STT_FUNC,
  STT_OBJECT,
} from '../../elf/index.ts';
import { concatBytes, InternalError } from '../../util/index.ts';
import type { JitedFunc, JitedProgram } from '../program.ts';

/** The functions' images one behind the other, as `bpf_prog_info.jited_prog_insns` has them. */
export function rawCode(programs: readonly JitedProgram[]): Uint8Array {
  return concatBytes(programs.flatMap(program => program.funcs.map(func => func.bytes)));
}

/**
 * An ELF file for disassemblers: each function in a section at its address, with its symbol, and what it calls. Where
 * function pointers point to descriptors these are sections of their own, and the code has a dot before its name, as
 * compilers for that ABI have it. Nothing is there to be loaded: the addresses may be a kernel's.
 */
export function codeElf(programs: readonly JitedProgram[]): Uint8Array {
  const [first] = programs;
  if (first === undefined) throw new InternalError('an ELF file of no program');
  const { order, elf, alignBytes } = first.target;
  const writer = new ElfWriter({ order, machine: elf.machine, flags: elf.flags, type: ET_EXEC });
  for (const program of programs) for (const func of program.funcs) addFunction(writer, func, alignBytes);
  const called = new Map<bigint, string>();
  for (const program of programs) {
    for (const { kind, target } of program.funcs.flatMap(func => func.sites)) {
      const known = target === 0n || kind === 'subprog' ? undefined : program.space.symbolize(target);
      if (known !== undefined) called.set(target - BigInt(known.offBytes), known.name);
    }
  }
  for (const [value, name] of [...called].sort(([a], [b]) => (a < b ? -1 : 1))) {
    writer.symbol({ name, place: 'absolute', value, bind: STB_GLOBAL, type: STT_FUNC });
  }
  return writer.finish();
}

function addFunction(writer: ElfWriter, { symbol, addr, entry, bytes }: JitedFunc, addralign: number): void {
  const descriptorBytes = Number(entry - addr);
  const bind = STB_GLOBAL;
  if (descriptorBytes > 0) {
    const data = bytes.subarray(0, descriptorBytes);
    const opd = writer.section({ name: `.opd.${symbol}`, flags: SHF_ALLOC | SHF_WRITE, addr, data, addralign: 8 });
    writer.symbol({ name: symbol, place: opd, value: addr, size: descriptorBytes, bind, type: STT_OBJECT });
  }
  const data = bytes.subarray(descriptorBytes);
  const flags = SHF_ALLOC | SHF_EXECINSTR;
  const text = writer.section({ name: `.text.${symbol}`, flags, addr: entry, data, addralign });
  const name = descriptorBytes > 0 ? `.${symbol}` : symbol;
  writer.symbol({ name, place: text, value: entry, size: data.length, bind, type: STT_FUNC });
}
