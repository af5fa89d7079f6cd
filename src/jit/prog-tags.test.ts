import { describe, expect, it } from 'vitest';
import { recordedPrograms } from '../../test/support/bpftool-fixture.ts';
import { findLayout, kernelImage } from '../kernels/index.ts';
import { xlatedFromKernel } from '../verifier/index.ts';
import { funcTag } from './prog-tags.ts';
import { markCalls } from './split.ts';

const SEVERAL = recordedPrograms().filter(({ answer }) => answer.ksyms.length > 1);

describe('tags of functions', () => {
  // Linux 6.12 for amd64 with KASLR; `twelve` takes the address of a function.
  it.each(SEVERAL.map(recorded => [recorded.answer.prog, recorded.source] as const))('%s', (name, { info, btf }) => {
    const kernel = kernelImage('6.12-amd64');
    const maps = info.mapIds.map(id => {
      const addr = 0xffff888001000000n + 0x1000n * BigInt(id);
      return { id, name: '', addr, values: { start: addr + 0x100n, sizeBytes: 64 } };
    });
    const xlated = xlatedFromKernel({
      name,
      type: info.type,
      insns: info.xlated,
      kernel,
      maps,
      btf,
      funcInfo: info.funcInfo,
    });
    const marked = markCalls(xlated, () => {});
    const { modules } = findLayout('x86_64-kaslr');
    const tags = xlated.subprogs.map(subprog => funcTag(xlated, marked, subprog, 'sha1', modules.start));
    expect(tags).toEqual(info.progTags);
  });
});
