import { toHex } from '../../util/index.ts';
import { dumpNaming, encodingOf } from './calls.ts';
import { type DumpBlock, type DumpFunction, dumpFunctions, ENTRY_BLOCK, EXIT_BLOCK } from './cfg.ts';
import { type DumpLine, LineTable } from './lines.ts';
import { prototypeText } from './prototype.ts';
import type { DumpSource } from './source.ts';
import { bytesAt, printAt, slotsAt, type XlatedDumpOptions } from './xlated.ts';

/**
 * The control flow graph of a program in the DOT language, as `bpftool prog dump xlated … visual` draws it. Slots are
 * counted from the start of each function.
 *
 * Source: `tools/bpf/bpftool/cfg.c: cfg_dump`, `xlated_dumper.c: dump_xlated_for_graph`.
 */
export function dumpXlatedGraph(source: DumpSource, options: XlatedDumpOptions = {}): string {
  const functions = dumpFunctions(source.info.xlated, encodingOf(source.info), options.asBpftool === true);
  const label = blockLabel(source, options);
  const out = ['digraph "DOT graph for eBPF program" {\n'];
  for (const func of functions) {
    const head = ['style="dashed"', 'color="black"', `label="func_${func.number} ()"`];
    out.push(`subgraph "cluster_${func.number}" {\n${head.map(line => `\t${line};\n`).join('')}`);
    out.push(node(func, ENTRY_BLOCK, 'Mdiamond', 'ENTRY'));
    for (const block of func.blocks) out.push(node(func, block.number, 'record', label(func, block)));
    out.push(node(func, EXIT_BLOCK, 'Mdiamond', 'EXIT'));
    out.push(edge(func, ENTRY_BLOCK, func.blocks[0].number));
    for (const block of func.blocks) for (const next of block.next) out.push(edge(func, block.number, next));
    out.push(`${arrow(func, ENTRY_BLOCK, EXIT_BLOCK)} [style="invis", constraint=true];\n}\n`);
  }
  out.push('}\n');
  return out.join('');
}

function node(func: DumpFunction, number: number, shape: string, label: string): string {
  return `\tfn_${func.number}_bb_${number} [shape=${shape},style=filled,label="${label}"];\n\n`;
}
function arrow(func: DumpFunction, from: number, to: number): string {
  return `\tfn_${func.number}_bb_${from}:s -> fn_${func.number}_bb_${to}:n`;
}
function edge(func: DumpFunction, from: number, to: number): string {
  return `${arrow(func, from, to)} [style="solid,bold", color=black, weight=10, constraint=true];\n`;
}

/** Ends a line inside a label: left-aligned, and the DOT string goes on. */
const EOL = '\\l\\\n';

const escapeInsn = (text: string): string => text.replace(/[<>|&]/g, '\\$&');
const escapeSource = (text: string): string => text.replace(/[\\"{}<>| ]/g, '\\$&');

type BlockLabel = (func: DumpFunction, block: DumpBlock) => string;

function blockLabel(source: DumpSource, options: XlatedDumpOptions): BlockLabel {
  const { info, btf, order = 'little' } = source;
  const insns = info.xlated;
  const naming = dumpNaming(source, options);
  const lines = LineTable.of(info, btf, options.asBpftool);
  return (func, block) => {
    // What a slot is looked up by.
    const base = options.asBpftool === true ? func.start : 0;
    let record = options.asBpftool === true ? 0 : info.funcInfo.findIndex(({ insnIdx }) => insnIdx >= block.head);
    let last: unknown;
    let text = '{\\\n';
    for (let idx = block.head; idx <= block.tail; ) {
      const slots = slotsAt(insns, idx);
      const place = idx - base;
      if (btf !== undefined && info.funcInfo[record]?.insnIdx === place) {
        const proto = prototypeText(btf, info.funcInfo[record].typeId);
        if (proto !== '') text += `; ${proto}:${EOL}`;
        record++;
      }
      const line = lines?.at(place);
      if (lines !== undefined && line !== undefined && line !== last) {
        text += sourceLabel(lines.textOf(line), options.linum === true);
        last = line;
      }
      text += `${idx - func.start}: ${escapeInsn(printAt(insns, idx, naming))}${EOL}`;
      if (options.opcodes === true) text += `\\ \\ \\ \\ ${toHex(bytesAt(insns, idx, slots, order), ' ')}${EOL}`;
      if (idx !== block.tail) text += '| ';
      idx += slots;
    }
    return `${text}}`;
  };
}

function sourceLabel(line: DumpLine, linum: boolean): string {
  if (line.text === undefined || line.text === '') return '';
  const { shown, cut } = shortenPath(line.file ?? '');
  const place = linum ? `; [${cut ? '...' : ''}${escapeSource(shown)} line:${line.line} col:${line.column}]${EOL}` : '';
  return `${place}; ${escapeSource(line.text)}${EOL}`;
}

const MAX_PATH = 32;

/** The last whole directories of a path that fit 32 characters, else its last part. */
function shortenPath(path: string): { shown: string; cut: boolean } {
  if (path.length <= MAX_PATH) return { shown: path, cut: false };
  const within = path.indexOf('/', path.length - MAX_PATH);
  const at = within >= 0 ? within : path.lastIndexOf('/');
  // Three dots in place of fewer than three characters save nothing.
  if (at < 0 || (within >= 0 && within < '...'.length)) return { shown: path, cut: false };
  return { shown: path.slice(at), cut: at > 0 };
}
