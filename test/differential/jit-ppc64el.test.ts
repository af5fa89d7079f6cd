import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { BPF_PSEUDO_KFUNC_CALL, CALL, decodeInsns, encodeInsns } from '../../src/isa/index.ts';
import { findTarget, jitProgram, loadedProgInfo } from '../../src/jit/index.ts';
import { createKernelSpace, findLayout, kernelImage } from '../../src/kernels/index.ts';
import { fromHex, toHex } from '../../src/util/index.ts';
import { type XlatedKfunc, xlatedFromKernel } from '../../src/verifier/index.ts';
import { hiddenByDump, type JitAnswer, type Kfunc } from '../support/lab-jit.ts';

interface Recorded extends JitAnswer {
  readonly kfuncs?: Readonly<Record<string, { readonly addr: string; readonly args: Kfunc['args'] }>>;
}

const file = new URL('../../testdata/kernel/jit-6.12-ppc64el.jsonl.gz', import.meta.url);
const recorded = gunzipSync(readFileSync(file))
  .toString()
  .trim()
  .split('\n')
  .map(line => JSON.parse(line) as Recorded);

/** A kernel function by its address: the recorded table has all that the programs call. */
function kfuncsOf(answer: Recorded, space: ReturnType<typeof newSpace>): XlatedKfunc[] {
  const ids = new Set(
    decodeInsns(fromHex(answer.xlated))
      .filter(({ code, src }) => code === CALL && src === BPF_PSEUDO_KFUNC_CALL)
      .map(({ imm }) => imm),
  );
  return [...ids].map(imm => {
    const { addr, args } = answer.kfuncs![imm];
    const name = space.kernel.symbolAt(Number(BigInt(`0x${addr}`) - space.callBase));
    return { imm, off: 0, name: name ?? `kfunc at ${addr}`, args };
  });
}

const newSpace = () => createKernelSpace(findLayout('ppc64-radix'), kernelImage('6.12-ppc64el'), { keepOut: [] });

describe('from a kernel dump to images and program info', () => {
  it.each(recorded.map(answer => [answer.name, answer] as const))('%s', (_name, answer) => {
    const space = newSpace();
    const { maps, probes } = hiddenByDump(answer, {
      space,
      kfunc: id => {
        const known = answer.kfuncs?.[id];
        return known && { addr: BigInt(`0x${known.addr}`), args: known.args };
      },
    });
    const xlated = xlatedFromKernel({
      name: 'p',
      type: 1,
      insns: fromHex(answer.xlated),
      kernel: space.kernel,
      stackDepths: answer.stackDepths,
      maps,
      probes,
      kfuncs: kfuncsOf(answer, space),
      lineInfo: answer.lineSlots?.map(insnIdx => ({ insnIdx, fileNameOff: 0, lineOff: 0, line: 1, column: 1 })),
    });
    const result = jitProgram(xlated, {
      target: findTarget('ppc64le'),
      space,
      cpu: 'power9',
      mode: 'compat',
      placement: index => ({ at: BigInt(`0x${answer.ksyms[index]}`) }),
    });
    if (!result.ok || !result.prog.jited) throw new Error('not compiled');
    const info = loadedProgInfo(result.prog, {
      id: 1,
      loadTimeNs: 0n,
      createdByUid: 0,
      btfId: 0,
      verifiedInsns: 0,
      attachBtfObjId: 0,
      attachBtfId: 0,
    });
    expect(toHex(info.jited)).toBe(answer.jited);
    expect(info.jitedFuncLens).toEqual(answer.funcLens);
    expect(info.jitedKsyms.map(addr => addr.toString(16))).toEqual(answer.ksyms);
    expect(toHex(encodeInsns(info.xlated))).toBe(answer.xlated);
    expect(info.jitedLineInfo.map(addr => addr.toString(16))).toEqual(answer.lineAddrs ?? []);
  });
});
