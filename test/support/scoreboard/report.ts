import type { Comparison } from './judge.ts';

interface Ratio {
  same: number;
  of: number;
}

/** Sums over programs, one a point that is measured. */
export class Totals {
  readonly #ratios = new Map<string, Ratio>();
  readonly #groups = new Map<string, string[]>();
  #programs = 0;
  #thrown = 0;
  #wronglyAccepted = 0;
  #wronglyRejected = 0;
  #ms = 0;

  add(row: Comparison): void {
    const { kernel, ours, answer } = row;
    this.#programs++;
    this.#ms += row.ms;
    if (ours === 'thrown') this.#thrown++;
    if (ours === 'accept' && kernel !== 'accept') this.#wronglyAccepted++;
    if (ours === 'reject' && kernel === 'accept') this.#wronglyRejected++;
    this.#count('verdict', ours === kernel);
    if (kernel !== 'accept') this.#count('errno, where the kernel refuses', row.ourErrno === answer.errno);
    if (kernel === 'reject')
      this.#count('last message, where the kernel rejects', row.ourMessage === row.kernelMessage);
    const processed = row.kernelFigures?.processed ?? answer.verified_insns;
    if (kernel === 'accept') {
      if (processed !== undefined) this.#count('processed insns, accepted', row.ourFigures?.processed === processed);
      if (row.kernelFigures !== undefined) {
        const same = row.ourFigures?.totalStates === row.kernelFigures.totalStates;
        this.#count('total states, accepted', same);
        this.#count('peak states, accepted', row.ourFigures?.peakStates === row.kernelFigures.peakStates);
      }
    } else if (kernel === 'reject' && processed !== undefined) {
      this.#count('processed insns, rejected', row.ourFigures?.processed === processed);
    }
    if (kernel !== 'error') this.#count('logs equal', row.logDifference === undefined);
    if (row.kernelExpected === true) this.#count('expected messages in the log', row.ourExpected === true);
    const group = groupOf(row);
    if (group === undefined) return;
    const list = this.#groups.get(group) ?? [];
    this.#groups.set(group, list);
    list.push(describe(row));
  }

  #count(name: string, same: boolean): void {
    const ratio = this.#ratios.get(name) ?? { same: 0, of: 0 };
    this.#ratios.set(name, ratio);
    ratio.of++;
    if (same) ratio.same++;
  }

  /** Percentages, then the largest groups of differences. */
  summary(groups: number): string {
    const lines = [`${this.#programs} programs, ${(this.#ms / 1000).toFixed(1)} s`];
    for (const [name, { same, of }] of this.#ratios) {
      const percent = ((100 * same) / of).toFixed(2).padStart(6);
      lines.push(`${percent} %  ${name} (${same} of ${of})`);
    }
    lines.push(
      `wrongly accepted ${this.#wronglyAccepted}, wrongly rejected ${this.#wronglyRejected}, thrown ${this.#thrown}`,
    );
    const sorted = this.#sorted();
    for (const [group, rows] of sorted.slice(0, groups)) lines.push(`${String(rows.length).padStart(5)}  ${group}`);
    if (sorted.length > groups) lines.push(`       and ${sorted.length - groups} more groups`);
    return `${lines.join('\n')}\n`;
  }

  /** Every difference, by group, the largest first. */
  details(): string {
    const parts = this.#sorted().map(([group, rows]) => `## ${rows.length}  ${group}\n${rows.join('\n')}\n`);
    return parts.join('\n');
  }

  #sorted(): [string, string[]][] {
    return [...this.#groups].sort((a, b) => b[1].length - a[1].length);
  }
}

/** The same message about other registers and numbers is one group. */
const shape = (text: string): string =>
  text
    .replace(/(?<=\.(ts|js)):\d+:\d+/g, '')
    .replace(/0x[0-9a-f]+|-?\d+/g, 'N')
    .slice(0, 160);

/** What kind of difference; undefined for none. */
function groupOf(row: Comparison): string | undefined {
  const { kernel, ours } = row;
  if (ours === 'thrown') return `thrown: ${shape(row.ourMessage)}`;
  if (ours !== kernel) {
    return `${kernel} ≠ our ${ours}: ${shape(ours === 'accept' ? `kernel says: ${row.kernelMessage}` : row.ourMessage)}`;
  }
  if (kernel !== 'accept' && row.ourErrno !== row.answer.errno) {
    return `errno: ${row.answer.errno} ≠ our ${row.ourErrno}: ${shape(row.ourMessage)}`;
  }
  if (kernel === 'reject' && row.ourMessage !== row.kernelMessage) return `message: ${shape(row.ourMessage)}`;
  const { kernelFigures: k, ourFigures: f } = row;
  if (kernel === 'accept' && k !== undefined && f !== undefined) {
    const same = k.processed === f.processed && k.totalStates === f.totalStates && k.peakStates === f.peakStates;
    if (!same) return 'figures';
  }
  if (row.logDifference !== undefined) return `log: kernel has ${shape(row.logDifference.kernel ?? 'ended')}`;
  return undefined;
}

const figures = (f: Comparison['ourFigures']): string =>
  f === undefined ? '-' : `${f.processed}/${f.totalStates}/${f.peakStates}`;

function describe(row: Comparison): string {
  const { answer } = row;
  const head = `${answer.file}:${answer.prog}`;
  const kernel = `kernel ${row.kernel} ${answer.errno} ${figures(row.kernelFigures)} ${row.kernelMessage}`;
  const ours = `   our ${row.ours} ${row.ourErrno} ${figures(row.ourFigures)} ${row.ourMessage}`;
  return `${head}\n    ${kernel}\n    ${ours}`;
}
