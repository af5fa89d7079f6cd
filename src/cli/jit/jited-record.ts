import type { JitedProgram } from '../../jit/index.ts';
import { hex64, toHex } from '../../util/index.ts';

/** A compiled program as data: where everything is, which calls it makes how, and the code. */
export function jitedRecord(program: JitedProgram): Record<string, unknown> {
  const { xlated, target, cpu, mode, space, funcs, tag } = program;
  return {
    name: xlated.name,
    tag,
    target: target.name,
    cpu,
    mode,
    layout: space.layout.name,
    call_base: hex64(space.callBase),
    kernel_toc: space.kernelToc === 0n ? undefined : hex64(space.kernelToc),
    functions: funcs.map(func => ({
      name: func.name,
      symbol: func.symbol,
      tag: func.tag,
      addr: hex64(func.addr),
      entry: hex64(func.entry),
      bytes: func.bytes.length,
      calls: func.sites.map(({ insnIdx, kind, form, target: to, offBytes, endBytes }) => ({
        insn: func.start + insnIdx,
        kind,
        form,
        target: to === 0n ? undefined : hex64(to),
        symbol: to === 0n ? undefined : space.symbolize(to)?.name,
        at: offBytes,
        bytes: endBytes - offBytes,
      })),
      faults:
        func.extable.length === 0 ? undefined : func.extable.map(entry => ({ at: entry.insnOff, on: entry.fixupOff })),
      code: toHex(func.bytes),
    })),
  };
}
