import type { JitedProgram } from '../../jit/index.ts';
import { type CallReport, callReports, type Disassembler, insnText } from '../../machine/index.ts';
import { hex64, InternalError } from '../../util/index.ts';
import { formatTable } from '../format/table.ts';
import type { Painter } from '../output.ts';

/** A call in one layout, and what it would take were its callee out of reach. */
export interface LaidOutCall extends CallReport {
  readonly insns: readonly string[];
  /** Undefined where nothing lies out of reach in this layout. */
  readonly far: CallReport | undefined;
}

/** The calls of one program in one layout. */
export interface LayoutCalls {
  readonly layout: string;
  readonly callBase: bigint;
  /** Names of the program's functions by number. */
  readonly funcNames: readonly string[];
  readonly calls: readonly LaidOutCall[];
}

/** @param far the same program with its functions out of each other's reach */
export function layoutCalls(
  prog: JitedProgram,
  far: JitedProgram | undefined,
  disassemble: Disassembler | undefined,
): LayoutCalls {
  const farCalls = far === undefined ? [] : callReports(far);
  const calls = callReports(prog).map((call, i) => {
    const other = farCalls[i];
    if (other !== undefined && other.insnIdx !== call.insnIdx)
      throw new InternalError('calls moved with their callees');
    return { ...call, insns: insnsOf(call, disassemble), far: other };
  });
  const { space, funcs } = prog;
  return {
    layout: space.layout.name,
    callBase: space.callBase,
    funcNames: funcs.map(func => func.name),
    calls,
  };
}

function insnsOf({ bytes, addr }: CallReport, disassemble: Disassembler | undefined): string[] {
  if (disassemble === undefined) return [];
  const insns: string[] = [];
  for (let at = 0; at < bytes.length; ) {
    const insn = disassemble(bytes, at, addr + BigInt(at));
    if (insn === undefined) break;
    insns.push(insnText(insn));
    at += insn.sizeBytes;
  }
  return insns;
}

/** What the calls of a program take together. */
export interface CallTotals {
  readonly calls: number;
  /** To functions of the program itself. */
  readonly local: number;
  readonly localBytes: number;
  /** The same with every callee out of reach; undefined where nothing lies out of reach. */
  readonly localBytesFar: number | undefined;
  /** Calls that `imm` alone would lead astray. */
  readonly astray: number;
}

export function callTotals({ calls }: LayoutCalls): CallTotals {
  const local = calls.filter(call => call.kind === 'subprog');
  const bytes = (list: readonly CallReport[]): number => list.reduce((sum, call) => sum + call.bytes.length, 0);
  const far = local.flatMap(call => call.far ?? []);
  return {
    calls: calls.length,
    local: local.length,
    localBytes: bytes(local),
    localBytesFar: far.length === local.length ? bytes(far) : undefined,
    astray: calls.filter(call => call.wrong !== undefined).length,
  };
}

const signedHex = (value: bigint): string => `${value < 0n ? '-' : '+'}0x${(value < 0n ? -value : value).toString(16)}`;

/** The calls one by one, layouts below each other, then what they take together. */
export function callsText(layouts: readonly LayoutCalls[], paint: Painter): string {
  const [first] = layouts;
  const out: string[] = [];
  for (const [i, call] of first.calls.entries()) {
    const callee = call.kind === 'tail_call' ? 'a program of a map' : call.callee;
    const tail = call.kind === 'tail_call' ? 'tail-calls' : 'calls';
    out.push(`${paint('bold', `${call.insnIdx}: ${first.funcNames[call.func]} ${tail} ${callee}`)}\n`);
    out.push(
      formatTable(
        [
          { title: 'layout' },
          { title: 'target' },
          { title: 'distance' },
          { title: 'form' },
          { title: 'bytes', align: 'right' },
          { title: 'code' },
        ],
        layouts.map(({ layout, calls }) => layoutRow(layout, calls[i])),
        '  ',
        text => paint('dim', text),
      ),
    );
    for (const { layout, calls } of layouts) {
      const { wrong } = calls[i];
      if (wrong === undefined) continue;
      const place = wrong.symbol ?? 'where there is nothing';
      out.push(`  ${paint('red', `imm alone, ${layout}: ${hex64(wrong.addr)}, ${place}`)}\n`);
    }
  }
  out.push('\n', totalsTable(layouts, paint));
  return out.join('');
}

function layoutRow(layout: string, call: LaidOutCall): string[] {
  const nowhere = call.kind === 'tail_call';
  return [
    layout,
    nowhere ? '' : hex64(call.target),
    nowhere ? '' : signedHex(call.distance),
    call.form,
    String(call.bytes.length),
    call.insns.join('; '),
  ];
}

function totalsTable(layouts: readonly LayoutCalls[], paint: Painter): string {
  const totals = layouts.map(callTotals);
  const row = (title: string, cell: (total: CallTotals) => string): string[] => [title, ...totals.map(cell)];
  const saved = ({ localBytes, localBytesFar }: CallTotals): string => {
    if (localBytesFar === undefined || localBytesFar === 0) return '';
    return `${localBytesFar - localBytes} (${Math.round((100 * (localBytesFar - localBytes)) / localBytesFar)}%)`;
  };
  return formatTable(
    [{ title: 'together' }, ...layouts.map(({ layout }) => ({ title: layout, align: 'right' as const }))],
    [
      row('calls', ({ calls }) => String(calls)),
      row('of them within the program', ({ local }) => String(local)),
      row('bytes of those', ({ localBytes }) => String(localBytes)),
      row('bytes if every call were far', ({ localBytesFar }) =>
        localBytesFar === undefined ? '' : String(localBytesFar),
      ),
      row('saved', saved),
      row('led astray by imm alone', ({ astray }) => String(astray)),
    ],
    '',
    text => paint('dim', text),
  );
}

export function callRecord(calls: LayoutCalls): object {
  const totals = callTotals(calls);
  return {
    layout: calls.layout,
    call_base: hex64(calls.callBase),
    calls: calls.calls.map(call => ({
      insn_idx: call.insnIdx,
      func: calls.funcNames[call.func],
      kind: call.kind,
      callee: call.callee || undefined,
      addr: hex64(call.addr),
      target: call.kind === 'tail_call' ? undefined : hex64(call.target),
      distance: call.kind === 'tail_call' ? undefined : call.distance,
      form: call.form,
      bytes: call.bytes,
      insns: call.insns.length === 0 ? undefined : call.insns,
      far:
        call.kind !== 'subprog' || call.far === undefined ? undefined : { form: call.far.form, bytes: call.far.bytes },
      imm_alone: call.wrong === undefined ? undefined : { addr: hex64(call.wrong.addr), symbol: call.wrong.symbol },
    })),
    totals: {
      calls: totals.calls,
      local: totals.local,
      local_bytes: totals.localBytes,
      local_bytes_far: totals.localBytesFar,
      led_astray: totals.astray,
    },
  };
}
