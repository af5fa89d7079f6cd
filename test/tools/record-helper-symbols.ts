/**
 * Reads what a kernel made of the programs of `helper-probes.ts`: which of its functions each helper call became.
 *   npx tsx test/tools/record-helper-symbols.ts ANSWERS.jsonl... > testdata/kernel/helper-symbols-RELEASE-ARCH.tsv
 * ANSWERS has one JSON object a line: of a program `prog`, `sec`, `type`, `errno`, `log` and `xlated` (hex), and once
 * `{"blob": "kallsyms", "hex": …}`, /proc/kallsyms as that boot of the kernel had it. Refused programs are summed up on
 * standard error.
 */
import { readFileSync } from 'node:fs';
import { decodeInsns } from '../../src/isa/index.ts';
import { helperName } from '../../src/uapi/index.ts';
import { fromHex } from '../../src/util/index.ts';

interface Answer {
  readonly blob?: string;
  readonly hex?: string;
  readonly prog?: string;
  readonly sec?: string;
  readonly type?: number;
  readonly attach?: number;
  readonly errno?: number;
  readonly log?: string;
  readonly libbpf?: string;
  readonly xlated?: string;
}

const FROM = 0x5afe01;
const TO = 0x5afe02;
const CALL = 0x85;
/** Where the map is known, calls go to its own operations, and one helper's to a static call: no function of the helper. */
const BOUND = [1, 2, 3, 51, 87, 88, 89, 164, 176, 195];

/** Type, attach type and section → helper → function. */
const found = new Map<string, Map<number, string>>();
const refused = new Map<string, number>();

for (const file of process.argv.slice(2)) {
  const answers: Answer[] = [];
  for (const line of readFileSync(file, 'utf8').split('\n')) {
    try {
      answers.push(JSON.parse(line));
    } catch {
      // The last line of a lab that was stopped.
    }
  }
  const text = answers.find(answer => answer.blob === 'kallsyms')?.hex;
  if (text === undefined) throw new Error(`${file} has no kallsyms`);
  const names = new Map<bigint, string>();
  let base = 0n;
  for (const line of Buffer.from(text, 'hex').toString('latin1').split('\n')) {
    const match = /^([0-9a-f]{16}) [tTW] (\S+)$/.exec(line);
    if (match === null) continue;
    const addr = BigInt(`0x${match[1]}`);
    if (match[2] === '__bpf_call_base') base = addr;
    if (!names.has(addr)) names.set(addr, match[2]);
  }
  for (const { prog, sec, type, attach, errno, log, libbpf, xlated } of answers) {
    const id = Number(/^p\d+_(\d+)$/.exec(prog ?? '')?.[1] ?? Number.NaN);
    if (Number.isNaN(id)) continue;
    if (errno !== 0 || xlated === undefined) {
      const why =
        (log ?? '')
          .split('\n')
          .filter(l => !/^(verification time|stack depth|processed|insns processed|$)/.test(l))
          .at(-1) || (libbpf ?? '').slice(0, 80);
      const key = `${helperName(id)}#${id}: ${why}`;
      refused.set(key, (refused.get(key) ?? 0) + 1);
      continue;
    }
    const insns = decodeInsns(fromHex(xlated));
    const from = insns.findIndex(insn => insn.imm === FROM);
    const to = insns.findIndex(insn => insn.imm === TO);
    const calls = insns.slice(from, to).filter(insn => insn.code === CALL && insn.src === 0);
    if (from < 0 || to < 0) throw new Error(`${sec} ${prog}: no marks`);
    // An argument may have needed a call of its own, before it.
    const symbol = calls.length === 0 ? '-' : (names.get(base + BigInt(calls[calls.length - 1].imm)) ?? '?');
    if (symbol === '-' || BOUND.includes(id)) continue;
    const key = `${type ?? /\d+/.exec(prog!)![0]}\t${attach ?? 0}\t${sec ?? ''}`;
    const row = found.get(key) ?? new Map<number, string>();
    found.set(key, row.set(id, symbol));
  }
}

const keys = [...found.keys()].sort((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10) || (a < b ? -1 : 1));
for (const key of keys) {
  const rows = [...found.get(key)!].sort((a, b) => a[0] - b[0]);
  const own = rows.filter(([id, symbol]) => symbol === `bpf_${helperName(id)?.replace(/^bpf_/, '')}`);
  const other = rows.filter(row => !own.includes(row));
  process.stdout.write(
    `${key}\t${own.map(row => row[0]).join(' ')}\t${other.map(([id, symbol]) => `${id}=${symbol}`).join(' ')}\n`,
  );
}
for (const [why, count] of [...refused].sort()) process.stderr.write(`${count}\t${why}\n`);
