import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { openBtf } from '../../btf/index.ts';
import { kernelImage } from '../../kernels/index.ts';
import { prepareObject } from '../../machine/index.ts';
import { openObject } from '../../object/index.ts';
import type { VerifierEnv } from '../env.ts';
import type { VerifyInput } from '../input.ts';
import { verify } from '../verify.ts';
import { sameHeld } from './held.ts';
import { PathRecorder } from './recorder.ts';

const ROOT = new URL('../../../', import.meta.url);
const bytesOf = (path: string): Uint8Array => new Uint8Array(readFileSync(new URL(path, ROOT)));
const btf = openBtf(new Uint8Array(gunzipSync(bytesOf('assets/btf/vmlinux-6.12-amd64.btf.gz'))));
const image = kernelImage('6.12-amd64');
const kernel = { version: '6.12', arch: image.arch, btf, image };

/** Compares, at every instruction, what the recorder would say of every register and slot with what the verifier has. */
class CheckedRecorder extends PathRecorder {
  compared = 0;
  resumed = 0;
  readonly wrong: string[] = [];

  override pathResumed(position: number): void {
    this.resumed++;
    super.pathResumed(position);
  }

  override beforeInsn(insnIdx: number, env: unknown): void {
    super.beforeInsn(insnIdx, env);
    const { curState, prevInsnIdx } = env as VerifierEnv;
    const at = this.steps.length - 1;
    const note = (what: string): void => {
      if (this.wrong.length < 5) this.wrong.push(`instruction ${insnIdx}: ${what}`);
    };
    if (this.steps[at].idx !== insnIdx) note('not the last step');
    if (at > 0 && prevInsnIdx >= 0 && this.steps[at - 1].idx !== prevInsnIdx) note(`came from ${prevInsnIdx}`);
    for (let frame = 0; frame <= curState.curframe; frame++) {
      const { regs, stack } = curState.frames[frame];
      regs.forEach((reg, i) => {
        const held = this.heldBefore(at, frame, i);
        if (held === undefined || !sameHeld(held, reg)) note(`frame ${frame} r${i}`);
      });
      stack.forEach((slot, i) => {
        const held = this.heldBefore(at, frame, 16 + i);
        // A slot that never held anything has no history.
        if (held === undefined ? slot.slotTypes !== 0 : !sameHeld(held, slot)) note(`frame ${frame} slot ${i}`);
      });
      this.compared += regs.length + stack.length;
    }
  }
}

function inputsOf(path: string): VerifyInput[] {
  const prepared = prepareObject(openObject(bytesOf(path), { name: path }), { kernelBtf: btf, image });
  return prepared.spec.programs.map(program => prepared.prepare(program).input).filter(input => input !== undefined);
}

const OBJECTS = [
  'examples/tail_parser.bpf.o',
  'examples/load_balancer.bpf.o',
  'examples/firewall.bpf.o',
  'testdata/object/calls.el.o',
  'testdata/explain/calls.bpf.o',
  'testdata/explain/stack.bpf.o',
  'testdata/explain/memory.bpf.o',
];

describe('the path recorder', () => {
  it.each(OBJECTS)('knows every register and slot on every path: %s', path => {
    let compared = 0;
    let resumed = 0;
    for (const input of inputsOf(path)) {
      const recorder = new CheckedRecorder(input.insns.length, true);
      verify(input, { kernel, observer: recorder });
      expect(recorder.wrong, input.name).toEqual([]);
      compared += recorder.compared;
      resumed += recorder.resumed;
    }
    expect(compared).toBeGreaterThan(0);
    expect(resumed).toBeGreaterThan(0);
  });

  it('counts as often as the verifier processes', () => {
    for (const input of inputsOf('examples/load_balancer.bpf.o')) {
      const recorder = new PathRecorder(input.insns.length, false);
      const { stats } = verify(input, { kernel, observer: recorder });
      expect(recorder.counts.reduce((sum, n) => sum + n, 0)).toBe(stats.processedInsns);
    }
  });
});
