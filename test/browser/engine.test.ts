import { describe, expect, it } from 'vitest';
import { interpEngine, wasmEngine } from '../../src/engine/index.ts';
import { encodeInsns, type Insn, LD_IMM64, makeInsn, ProgramBuilder, R0, R1, R2, R3, R4 } from '../../src/isa/index.ts';
import { kernelImage } from '../../src/kernels/index.ts';
import type { MapDef } from '../../src/maps/index.ts';
import { bpf_map_type, bpf_prog_type } from '../../src/uapi/index.ts';
import { FarcallError, toHex } from '../../src/util/index.ts';
import { verify } from '../../src/verifier/index.ts';
import { runCases } from '../differential/run-cases/index.ts';
import { pageOutput } from '../support/chromium-page.ts';
import { generateProgram } from '../support/program-generator.ts';
import { kernelBtf } from '../support/structure-answer.ts';
import { requireTool } from '../support/tools.ts';
import { verifyInputOf } from '../support/verify-input.ts';

// The WebAssembly engine in a browser against the interpreter here.

const image = kernelImage('6.12-amd64');
const kernel = { version: '6.12', arch: image.arch, btf: kernelBtf(undefined), image } as const;
const caps = { bpf: true, perfmon: true, netAdmin: true, sysAdmin: true };

interface Case {
  readonly type: number;
  readonly insns: string;
  readonly maps: readonly MapDef[];
  readonly packet: string;
  readonly ctx: string | undefined;
  /** As much of the verdict as engines look at. */
  readonly proof: { readonly ok: boolean; readonly stats: { readonly stackDepth: readonly number[] } } | undefined;
}

function proofOf(type: number, insns: readonly Insn[], maps: readonly MapDef[]): Case['proof'] {
  try {
    const ldmaps = insns.flatMap(({ code, src, imm }, slot) =>
      code === LD_IMM64 && (src === 1 || src === 2) ? [`${slot} ${imm} ${src} ${insns[slot + 1].imm}`] : [],
    );
    const texts = maps.map(
      def => `${def.type} ${def.keySizeBytes} ${def.valueSizeBytes} ${def.maxEntries} ${def.flags}`,
    );
    const entry = { name: 'p', type, insns, maps: texts, ldmaps };
    const { ok, stats } = verify(verifyInputOf(entry), { kernel, logLevel: 0, caps });
    return ok ? { ok, stats: { stackDepth: stats.stackDepth } } : undefined;
  } catch (error) {
    if (error instanceof FarcallError) return undefined;
    throw error;
  }
}

const caseOf = (
  type: number,
  insns: readonly Insn[],
  maps: readonly MapDef[],
  packet: Uint8Array,
  ctx?: Uint8Array,
): Case => ({
  type,
  insns: toHex(encodeInsns(insns)),
  maps,
  packet: toHex(packet),
  ctx: ctx === undefined ? undefined : toHex(ctx),
  proof: proofOf(type, insns, maps),
});

function cases(): Case[] {
  const generated = Array.from({ length: 24 }, (_, i) => generateProgram(i + 1, { functions: [1, 3, 8][i % 3] }));
  return [
    ...generated.map(({ type, insns, maps, packet }) => caseOf(type, insns, maps, packet)),
    ...runCases()
      .filter((_, i) => i % 20 === 0)
      .map(({ type, insns, maps = [], data, ctx }) => {
        const defs = maps.map(map => ({
          name: 'm',
          type: map.type,
          keySizeBytes: map.key,
          valueSizeBytes: map.value,
          maxEntries: map.max,
          flags: 0,
        }));
        return caseOf(type, insns, defs, data, ctx);
      }),
  ];
}

/** Counts packets in the first element of an array, atomically; returns a byte of the packet. */
const counting = caseOf(
  bpf_prog_type.BPF_PROG_TYPE_XDP,
  new ProgramBuilder()
    .load('w', R2, R1, 0)
    .load('w', R3, R1, 4)
    .mov(R4, R2)
    .alu64('add', R4, 15)
    .mov(R0, 0)
    .jumpIf('jgt', R4, R3, 'end')
    .load('b', R0, R2, 14)
    .raw(makeInsn(LD_IMM64, 3, 2, 0, 0), makeInsn(0, 0, 0, 0, 0))
    .mov(R4, 1)
    .raw(makeInsn(0xdb, 3, 4, 0, 0))
    .label('end')
    .exit()
    .build(),
  [
    {
      name: 'total',
      type: bpf_map_type.BPF_MAP_TYPE_ARRAY,
      keySizeBytes: 4,
      valueSizeBytes: 8,
      maxEntries: 1,
      flags: 0,
    },
  ],
  new Uint8Array(20),
);

describe('the WebAssembly engine in a browser', () => {
  const chromium = requireTool('chromium', 'chromium');
  if (chromium === undefined) return;

  it('gives what the interpreter gives, in batches and in threads too', async () => {
    const page = (await import('./engine-page.mjs' as string)) as {
      outcomeOf(engine: unknown, item: Case, how: string): string;
    };
    const list = cases();
    const wanted = list.map(item => page.outcomeOf(interpEngine, item, 'checked'));
    const packets = [1, 7, 200].map(byte => toHex(Uint8Array.from({ length: 20 }, (_, i) => (i === 14 ? byte : 0))));
    const html = `<!doctype html><pre id="out">nothing</pre><script type="module">
      const out = document.getElementById('out');
      try {
        const { outcomeOf, packetsAndThreads } = await import('/test/browser/engine-page.mjs');
        const { wasmEngine } = await import('/dist/engine/index.js');
        const { list, wanted, counting, packets } = JSON.parse(await (await fetch('/cases.json')).text());
        const engine = wasmEngine();
        const different = [];
        let proven = 0;
        list.forEach((item, i) => {
          for (const how of item.proof === undefined ? ['checked'] : ['checked', 'proven']) {
            if (how === 'proven') proven++;
            const found = outcomeOf(engine, item, how);
            if (found !== wanted[i]) different.push([i, how, found, wanted[i]]);
          }
        });
        const threads = await packetsAndThreads(engine, counting, packets);
        out.textContent = JSON.stringify({ ran: list.length, proven, different: different.slice(0, 3), threads });
      } catch (error) {
        out.textContent = String(error.stack ?? error);
      }
    </script>`;
    const files = { '/cases.json': JSON.stringify({ list, wanted, counting, packets }) };
    const text = await pageOutput(chromium, html, files);
    const thread = { done: 300, verdicts: [1, 7, 200] };
    expect(JSON.parse(text)).toEqual({
      ran: list.length,
      proven: list.filter(({ proof }) => proof !== undefined).length,
      different: [],
      threads: { verdicts: [1, 7, 200], threads: [thread, thread], total: 603, attached: 'function' },
    });
  });

  it('the same cases pass here', async () => {
    const page = (await import('./engine-page.mjs' as string)) as {
      outcomeOf(engine: unknown, item: Case, how: string): string;
    };
    for (const item of cases().slice(0, 10)) {
      const wanted = page.outcomeOf(interpEngine, item, 'checked');
      for (const how of ['checked', 'proven']) {
        if (how === 'proven' && item.proof === undefined) continue;
        expect(page.outcomeOf(wasmEngine(), item, how)).toBe(wanted);
      }
    }
  });
});
