import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { openBtf } from '../../btf/index.ts';
import { emulatorEngine } from '../../engine/index.ts';
import { kernelImage } from '../../kernels/index.ts';
import { openObject, type ProgramSpec } from '../../object/index.ts';
import { FarcallError } from '../../util/index.ts';
import { dumpXlated, inspectProgram } from '../dump/index.ts';
import { createMachine } from '../machine.ts';
import { VerifiedPrograms } from './verified-programs.ts';
import type { ProgramVerdict } from './verify-prepared.ts';

const file = (path: string): Buffer => readFileSync(new URL(`../../../${path}`, import.meta.url));
const image = kernelImage('6.12-amd64');
const btf = openBtf(new Uint8Array(gunzipSync(file('assets/btf/vmlinux-6.12-amd64.btf.gz'))));
const spec = openObject(new Uint8Array(file('testdata/object/calls.el.o')), { name: 'calls' });
const refused = ({ name }: ProgramSpec, { message }: ProgramVerdict): Error =>
  new FarcallError({ code: 'run.rejected', message: `${name}: ${message}` });

const verifiedPrograms = (converted: boolean): VerifiedPrograms =>
  new VerifiedPrograms(spec, {
    verify: { kernel: { version: '6.12', arch: image.arch, btf, image } },
    converted,
    refused,
  });

const load = (programs: VerifiedPrograms | undefined, name: string) =>
  createMachine({ engine: emulatorEngine({ target: 'x86_64', xlate: programs?.xlate }) }).loadObject(spec, {
    only: [name],
  });

describe('VerifiedPrograms', () => {
  it('gives compiling engines what the kernel makes of a program', () => {
    const programs = verifiedPrograms(true);
    const { prog, info, source } = inspectProgram(load(programs, 'second'), 'second');
    expect(prog.xlated.verified).toBe(true);
    expect(prog.jited).toBe(true);
    expect(dumpXlated(source, {})).not.toContain('call bpf_loop');
    const engines = inspectProgram(load(undefined, 'second'), 'second');
    expect(dumpXlated(engines.source, {})).toContain('call bpf_loop');
    expect(info.tag).toBe(engines.info.tag);
    expect(info.mapIds).toEqual(engines.info.mapIds);
  });

  it('only judges where it is not to convert', () => {
    const programs = verifiedPrograms(false);
    const { prog } = inspectProgram(load(programs, 'second'), 'second');
    expect(prog.xlated.verified).toBe(false);
    expect(programs.verdictOf('second')?.verdict).toBe('accept');
    expect(() => load(programs, 'first')).toThrow('first: Caller passes invalid args');
  });

  it('verifies a program once, however often it is loaded', () => {
    const programs = verifiedPrograms(true);
    expect(programs.verdictOf('first')).toBeUndefined();
    expect(() => load(programs, 'first')).toThrow('first: Caller passes invalid args');
    const verdict = programs.verdictOf('first');
    expect(verdict?.verdict).toBe('reject');
    expect(() => load(programs, 'first')).toThrow('first: Caller passes invalid args');
    expect(programs.verdictOf('first')).toBe(verdict);
  });
});
