import { BTF_LINKAGE, type Btf, underModifiers } from '../btf/index.ts';
import type { Insn } from '../isa/index.ts';
import { LineTable } from './line-table.ts';
import type { InfoTable } from './structure-input.ts';
import type { SubprogTable } from './subprogs.ts';
import type { Rejection } from './types.ts';
import type { VerifierLog } from './verifier-log.ts';

const FUNC_RECORD_BYTES = 8;
const LINE_RECORD_BYTES = 16;
const RELO_RECORD_BYTES = 16;
const MAX_RECORD_BYTES = 252;

/** A record of func_info together with the BTF that explains it. */
export interface FuncRecord {
  /** As given: not yet known to be inside the program. */
  readonly insnIdx: number;
  readonly typeId: number;
  readonly btf: Btf;
}

export type FuncLinkage = 'static' | 'global' | 'extern';

export const funcName = (func: FuncRecord | undefined): string =>
  func === undefined ? '' : func.btf.nameOf(func.typeId);

/** 'static' also for functions without func_info, which the kernel verifies with their callers. */
export function funcLinkage(func: FuncRecord | undefined): FuncLinkage {
  if (func === undefined) return 'static';
  const linkage = func.btf.types.vlen(func.typeId) & 0xffff;
  return linkage === BTF_LINKAGE.global ? 'global' : linkage === BTF_LINKAGE.extern ? 'extern' : 'static';
}

/** The tables a program came with. */
export interface InfoTables {
  readonly btf: Btf | undefined;
  readonly funcInfo: InfoTable | undefined;
  readonly lineInfo: InfoTable | undefined;
  readonly coreRelos: InfoTable | undefined;
}

const isEmpty = (table: InfoTable | undefined): boolean => table === undefined || table.count === 0;

function badRecSize(table: InfoTable, minBytes: number): boolean {
  const size = table.recSizeBytes;
  return size < minBytes || size > MAX_RECORD_BYTES || size % 4 !== 0;
}

/** What is wrong with a record's bytes beyond those the kernel knows. */
function recordProblem(table: InfoTable, i: number, knownBytes: number): 'tail' | 'cutOff' | undefined {
  const words = table.recSizeBytes / 4;
  const start = i * words;
  if (start + words > table.words.length) return 'cutOff';
  for (let at = start + knownBytes / 4; at < start + words; at++) if (table.words[at] !== 0) return 'tail';
  return undefined;
}

/**
 * Reads func_info: offsets ascending from 0, every type a function. That the offsets are those of the functions is
 * checked later, in {@link checkBtfInfo}. The records are empty without func_info.
 *
 * Source: `kernel/bpf/verifier.c: check_btf_info_early, check_btf_func_early`.
 */
export function checkBtfInfoEarly(tables: InfoTables, log: VerifierLog): Rejection | readonly FuncRecord[] {
  const { btf, funcInfo } = tables;
  if (isEmpty(funcInfo) && isEmpty(tables.lineInfo)) return [];
  if (btf === undefined) return log.reject('noBtf', []);
  if (funcInfo === undefined || funcInfo.count === 0) return [];
  if (badRecSize(funcInfo, FUNC_RECORD_BYTES)) return log.reject('funcInfoRecSize', [funcInfo.recSizeBytes >>> 0]);
  const stride = funcInfo.recSizeBytes / 4;
  const records: FuncRecord[] = [];
  for (let i = 0; i < funcInfo.count; i++) {
    const problem = recordProblem(funcInfo, i, FUNC_RECORD_BYTES);
    if (problem === 'tail') return log.reject('funcInfoTail', []);
    if (problem === 'cutOff') return log.reject('funcInfoCutOff', []);
    const insnIdx = funcInfo.words[i * stride];
    const typeId = funcInfo.words[i * stride + 1];
    if (i === 0) {
      if (insnIdx !== 0) return log.reject('funcInfoFirst', [insnIdx]);
    } else if (insnIdx <= records[i - 1].insnIdx) {
      return log.reject('funcInfoOrder', [insnIdx, records[i - 1].insnIdx], insnIdx);
    }
    if (typeId >= btf.typeCount || btf.kindOf(typeId) !== 'FUNC') return log.reject('funcInfoType', [typeId], insnIdx);
    records.push({ insnIdx, typeId, btf });
  }
  return records;
}

/** What {@link checkBtfInfo} looks at beside the tables. */
export interface BtfInfoSource extends InfoTables {
  readonly insns: readonly Insn[];
  readonly funcs: readonly FuncRecord[];
  readonly subprogs: SubprogTable;
}

/**
 * Checks func_info against the functions found, and line_info; gives every function its record. Returns the line
 * records, none without line_info.
 *
 * Differs from Linux: CO-RE relocations left to the kernel are checked for form, not applied.
 * Source: `kernel/bpf/verifier.c: check_btf_info, check_btf_func, check_btf_line, check_core_relo`.
 */
export function checkBtfInfo(source: BtfInfoSource, log: VerifierLog): Rejection | LineTable {
  if (source.funcs.length === 0) {
    const refused = checkAbnormalReturn(source.subprogs, log);
    if (refused !== undefined) return refused;
    if (isEmpty(source.lineInfo)) return new LineTable(undefined);
  }
  const refused = checkFuncs(source, log);
  if (refused !== undefined) return refused;
  const lines = checkLines(source, log);
  if ('ok' in lines) return lines;
  return checkCoreRelos(source, log) ?? lines;
}

// Without BTF nobody knows what a function returns, and these leave it with an int.
function checkAbnormalReturn(subprogs: SubprogTable, log: VerifierLog): Rejection | undefined {
  for (const { hasLdAbs, hasTailCall, start } of subprogs.list.slice(1)) {
    if (hasLdAbs) return log.reject('ldAbsNoBtf', [], start);
    if (hasTailCall) return log.reject('tailCallNoBtf', [], start);
  }
  return undefined;
}

function checkFuncs({ funcs, subprogs }: BtfInfoSource, log: VerifierLog): Rejection | undefined {
  if (funcs.length === 0) return undefined;
  if (funcs.length !== subprogs.count) return log.reject('funcInfoCount', []);
  for (let id = 0; id < funcs.length; id++) {
    const func = funcs[id];
    const subprog = subprogs.list[id];
    if (subprog.start !== func.insnIdx) return log.reject('funcInfoLayout', [], func.insnIdx);
    subprog.func = func;
    if (id === 0 || (!subprog.hasLdAbs && !subprog.hasTailCall) || returnsInt(func)) continue;
    return subprog.hasLdAbs
      ? log.reject('ldAbsReturn', [], func.insnIdx)
      : log.reject('tailCallReturn', [], func.insnIdx);
  }
  return undefined;
}

function returnsInt({ btf, typeId }: FuncRecord): boolean {
  const id = underModifiers(btf, btf.types.third(btf.types.third(typeId)));
  const kind = btf.kindOf(id);
  return kind === 'ENUM' || kind === 'ENUM64' || (kind === 'INT' && btf.types.third(id) <= 8);
}

function checkLines(source: BtfInfoSource, log: VerifierLog): Rejection | LineTable {
  const { lineInfo, btf, insns, subprogs } = source;
  if (lineInfo === undefined || lineInfo.count === 0 || btf === undefined) return new LineTable(undefined);
  if (badRecSize(lineInfo, LINE_RECORD_BYTES)) return log.reject('lineInfoRecSize', []);
  const stride = lineInfo.recSizeBytes / 4;
  let next = 0;
  let prev = 0;
  for (let i = 0; i < lineInfo.count; i++) {
    const problem = recordProblem(lineInfo, i, LINE_RECORD_BYTES);
    if (problem === 'tail') return log.reject('lineInfoTail', []);
    if (problem === 'cutOff') return log.reject('lineInfoCutOff', []);
    const { words } = lineInfo;
    const at = i * stride;
    const insnIdx = words[at];
    const fileNameOff = words[at + 1];
    const lineOff = words[at + 2];
    if ((i > 0 && insnIdx <= prev) || insnIdx >= insns.length) {
      return log.reject('lineInfoOffset', [i, insnIdx, prev, insns.length], insnIdx);
    }
    if (insns[insnIdx].code === 0) return log.reject('lineInfoCode', [i], insnIdx);
    if (lineOff >= btf.strings.endOff || fileNameOff >= btf.strings.endOff) {
      return log.reject('lineInfoNames', [i], insnIdx);
    }
    if (next < subprogs.count) {
      const subprog = subprogs.list[next];
      if (insnIdx === subprog.start) {
        subprog.lineInfoIdx = i;
        next++;
      } else if (subprog.start < insnIdx) return log.reject('lineInfoMissing', [next], insnIdx);
    }
    prev = insnIdx;
  }
  if (next === subprogs.count) return new LineTable(lineInfo);
  return log.reject('lineInfoMissingRest', [subprogs.count - next, next]);
}

function checkCoreRelos({ coreRelos, insns }: BtfInfoSource, log: VerifierLog): Rejection | undefined {
  if (coreRelos === undefined || coreRelos.count === 0) return undefined;
  if (badRecSize(coreRelos, RELO_RECORD_BYTES)) return log.reject('coreReloRecSize', []);
  for (let i = 0; i < coreRelos.count; i++) {
    const problem = recordProblem(coreRelos, i, RELO_RECORD_BYTES);
    if (problem === 'tail') return log.reject('coreReloTail', []);
    if (problem === 'cutOff') return log.reject('coreReloCutOff', []);
    const off = coreRelos.words[(i * coreRelos.recSizeBytes) / 4];
    if (off % 8 !== 0 || off / 8 >= insns.length) return log.reject('coreReloOffset', [i, off, insns.length]);
  }
  return undefined;
}
