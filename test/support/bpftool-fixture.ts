import { readFileSync } from 'node:fs';
import type { DumpSource } from '../../src/machine/index.ts';
import { type ObjectSpec, openObject } from '../../src/object/index.ts';
import { addrOf, type LabProgram, labProgInfo } from './lab-prog.ts';

const DIR = new URL('../../testdata/bpftool/', import.meta.url);

/** A call of BPF_OBJ_GET_INFO_BY_FD that a kernel answered; structs as hex, array pointers inside `arena`. */
export interface InfoCase {
  /** `root/…`, `hidden/…` where kptr_restrict was 2, `nocap/…` without CAP_BPF. */
  readonly what: string;
  readonly errno: number;
  /** Bytes of the struct handed in. */
  readonly len: number;
  readonly in: string;
  readonly out?: string;
  /** What was written to the arena: offsets and bytes. */
  readonly written: readonly (readonly [number, string])[];
}

export type RecordedProgram = LabProgram & {
  readonly prog: string;
  readonly kallsyms_bpf: string;
  /** Address of the arena; undefined where no cases were recorded. */
  readonly arena?: string;
  readonly cases?: readonly InfoCase[];
};

interface Fixture {
  readonly kernel: string;
  readonly call_base: string;
  readonly ksyms: Readonly<Record<string, string>>;
  readonly programs: readonly RecordedProgram[];
}

export interface Recorded {
  readonly answer: RecordedProgram;
  readonly source: DumpSource;
  /** Slots the program was loaded with. */
  readonly loadedSlots: number;
}

const RAW_TYPE = 1;

/**
 * Programs of testdata/bpftool as Linux 6.12 for amd64 held them, with what bpftool 7.5 printed of each. The kernel's
 * symbols are those their helper calls lead to.
 */
export function recordedPrograms(): Recorded[] {
  const fixture: Fixture = JSON.parse(readFileSync(new URL('6.12-amd64.json', DIR), 'utf8'));
  const object: ObjectSpec = openObject(new Uint8Array(readFileSync(new URL('functions.bpf.o', DIR))));
  const kernel = new Map(Object.entries(fixture.ksyms).map(([addr, name]) => [addrOf(addr), name]));
  return fixture.programs.map(answer => {
    const program = object.programs.find(({ name }) => name === answer.prog);
    const info = labProgInfo(answer, answer.type ?? RAW_TYPE);
    const own = new Map(
      [...answer.kallsyms_bpf.matchAll(/^([0-9a-f]+) t (\S+)\t\[bpf\]$/gm)].map(line => [addrOf(line[1]), line[2]]),
    );
    const symbolAt = (addr: bigint): string | undefined => own.get(addr) ?? kernel.get(addr);
    const source = {
      info,
      btf: program === undefined ? undefined : object.btf,
      symbols: { callBase: addrOf(fixture.call_base), symbolAt },
    };
    return { answer, source, loadedSlots: program?.insns.length ?? info.xlated.length };
  });
}
