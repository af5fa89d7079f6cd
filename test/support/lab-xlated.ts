import { BPF_PSEUDO_KFUNC_CALL, CALL, decodeInsns } from '../../src/isa/index.ts';
import { fromHex } from '../../src/util/index.ts';
import { type XlatedKfunc, type XlatedProgram, xlatedFromKernel } from '../../src/verifier/index.ts';
import { exceptionCallback, hiddenByDump, type JitAnswer, type JitSubject } from './lab-jit.ts';

/** The program a kernel's JIT was given, from its dump, and from its images what the dump hides. */
export function xlatedOfAnswer(answer: JitAnswer, subject: JitSubject): XlatedProgram {
  const { space, kfunc } = subject;
  const dump = decodeInsns(fromHex(answer.xlated));
  const ids = new Set(
    dump.filter(({ code, src }) => code === CALL && src === BPF_PSEUDO_KFUNC_CALL).map(({ imm }) => imm),
  );
  const kfuncs = [...ids].map((imm): XlatedKfunc => {
    const known = kfunc?.(imm);
    const name =
      known?.name ?? (known === undefined ? undefined : space.kernel.symbolAt(Number(known.addr - space.callBase)));
    return { imm, off: 0, name: name ?? `kfunc ${imm}`, args: known?.args };
  });
  return xlatedFromKernel({
    name: 'p',
    type: 1,
    insns: fromHex(answer.xlated),
    kernel: space.kernel,
    stackDepths: answer.stackDepths,
    exceptionCallback: exceptionCallback(answer, dump),
    ...hiddenByDump(answer, subject),
    kfuncs,
    lineInfo: answer.lineSlots?.map(insnIdx => ({ insnIdx, fileNameOff: 0, lineOff: 0, line: 1, column: 1 })),
  });
}
