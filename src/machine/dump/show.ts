import type { Btf } from '../../btf/index.ts';
import type { ProgInfo } from '../../jit/index.ts';
import { progTypeName } from '../../uapi/index.ts';
import { alignUp } from '../../util/index.ts';

/** What `bpftool prog show` learns elsewhere than from `bpf_prog_info`. */
export interface ShowFacts {
  /** Seconds since 1970 at which the machine booted; without it no time of loading is shown. */
  readonly bootSeconds?: number;
  /** Minutes east of UTC in which that time is told. Default 0. */
  readonly zoneMinutes?: number;
  /** Kernel memory the program counts for; see {@link progMemlockBytes}. */
  readonly memlockBytes?: number;
  readonly runTimeNs?: bigint;
  readonly runCount?: bigint;
  readonly recursionMisses?: bigint;
}

const PROG_HEADER_BYTES = 72;

/**
 * What a program of so many slots counts against the locked-memory limit: `struct bpf_prog` and its instructions in whole
 * pages (`kernel/bpf/core.c: bpf_prog_alloc_no_stats`). Programs that shrink keep their pages.
 */
export function progMemlockBytes(slotsMost: number, pageBytes = 4096): number {
  return alignUp(PROG_HEADER_BYTES + slotsMost * 8, pageBytes);
}

/** Longest name the kernel keeps. */
const MAX_NAME = 15;

/** The name in full: from BTF where the kernel's 15 bytes may have cut it. */
export function progFullName(info: ProgInfo, btf: Btf | undefined): string {
  const [main] = info.funcInfo;
  if (info.name.length < MAX_NAME || info.btfId === 0 || btf === undefined || main === undefined) return info.name;
  if (main.typeId >= btf.typeCount || btf.kindOf(main.typeId) !== 'FUNC') return info.name;
  return btf.nameOf(main.typeId);
}

const TYPES_WITHOUT_NAME = /^bpf_prog_type /;

function typeOf(info: ProgInfo): string | undefined {
  const name = progTypeName(info.type);
  return TYPES_WITHOUT_NAME.test(name) ? undefined : name;
}

function loadedAtSeconds(info: ProgInfo, { bootSeconds }: ShowFacts): number | undefined {
  if (info.loadTimeNs === 0n || bootSeconds === undefined) return undefined;
  return Math.floor(bootSeconds + Number(info.loadTimeNs) / 1e9);
}

/** `2026-11-23T04:04:05+0000` */
function timeText(seconds: number, zoneMinutes: number): string {
  const local = new Date((seconds + zoneMinutes * 60) * 1000).toISOString().slice(0, 19);
  const zone = Math.abs(zoneMinutes);
  const digits = `${String(Math.floor(zone / 60)).padStart(2, '0')}${String(zone % 60).padStart(2, '0')}`;
  return `${local}${zoneMinutes < 0 ? '-' : '+'}${digits}`;
}

/** The line that heads a program, also where several are dumped (`print_prog_header_plain`). */
export function showHead(info: ProgInfo, btf: Btf | undefined, facts: ShowFacts = {}): string {
  const { runTimeNs = 0n, runCount = 0n, recursionMisses = 0n } = facts;
  const name = progFullName(info, btf);
  return (
    `${info.id}: ${typeOf(info) ?? `type ${info.type}`}  ${name === '' ? '' : `name ${name}  `}` +
    `tag ${info.tag}${info.gplCompatible ? '  gpl' : ''}` +
    `${runTimeNs === 0n ? '' : ` run_time_ns ${runTimeNs} run_cnt ${runCount}`}` +
    `${recursionMisses === 0n ? '' : ` recursion_misses ${recursionMisses}`}\n`
  );
}

/**
 * What `bpftool prog show` prints of one program.
 *
 * Source: `tools/bpf/bpftool/prog.c: print_prog_plain`.
 */
export function showProg(info: ProgInfo, btf: Btf | undefined, facts: ShowFacts = {}): string {
  const seconds = loadedAtSeconds(info, facts);
  const loaded =
    seconds === undefined ? '' : `\tloaded_at ${timeText(seconds, facts.zoneMinutes ?? 0)}  uid ${info.createdByUid}\n`;
  const sizes =
    `\txlated ${info.xlatedBytes}B${info.jitedBytes > 0 ? `  jited ${info.jitedBytes}B` : '  not jited'}` +
    `${facts.memlockBytes === undefined ? '' : `  memlock ${facts.memlockBytes}B`}` +
    `${info.mapIds.length === 0 ? '' : `  map_ids ${info.mapIds.join(',')}`}`;
  return `${showHead(info, btf, facts)}${loaded}${sizes}${info.btfId === 0 ? '' : `\n\tbtf_id ${info.btfId}`}\n`;
}

export interface ShowJson {
  readonly id: number;
  readonly type: string | number;
  readonly name?: string;
  readonly tag: string;
  readonly gpl_compatible: boolean;
  readonly run_time_ns?: bigint;
  readonly run_cnt?: bigint;
  readonly recursion_misses?: bigint;
  readonly loaded_at?: number;
  readonly uid?: number;
  readonly orphaned: boolean;
  readonly bytes_xlated: number;
  readonly jited: boolean;
  readonly bytes_jited?: number;
  readonly bytes_memlock?: number;
  readonly map_ids?: readonly number[];
  readonly btf_id?: number;
}

/** What heads a program in JSON, also where several are dumped. */
export function showHeadJson(
  info: ProgInfo,
  btf: Btf | undefined,
  facts: ShowFacts = {},
): Omit<ShowJson, 'orphaned' | 'bytes_xlated' | 'jited'> {
  const name = progFullName(info, btf);
  const ran = facts.runTimeNs !== undefined && facts.runTimeNs !== 0n;
  const missed = facts.recursionMisses !== undefined && facts.recursionMisses !== 0n;
  return {
    id: info.id,
    type: typeOf(info) ?? info.type,
    ...(name === '' ? {} : { name }),
    tag: info.tag,
    gpl_compatible: info.gplCompatible,
    ...(ran ? { run_time_ns: facts.runTimeNs, run_cnt: facts.runCount ?? 0n } : {}),
    ...(missed ? { recursion_misses: facts.recursionMisses } : {}),
  };
}

/** What `bpftool -j prog show` prints of one program, as data whose members are in its order. */
export function showProgJson(info: ProgInfo, btf: Btf | undefined, facts: ShowFacts = {}): ShowJson {
  const seconds = loadedAtSeconds(info, facts);
  return {
    ...showHeadJson(info, btf, facts),
    ...(seconds === undefined ? {} : { loaded_at: seconds, uid: info.createdByUid }),
    orphaned: false,
    bytes_xlated: info.xlatedBytes,
    jited: info.jitedBytes > 0,
    ...(info.jitedBytes > 0 ? { bytes_jited: info.jitedBytes } : {}),
    ...(facts.memlockBytes === undefined ? {} : { bytes_memlock: facts.memlockBytes }),
    ...(info.mapIds.length === 0 ? {} : { map_ids: info.mapIds }),
    ...(info.btfId === 0 ? {} : { btf_id: info.btfId }),
  };
}
