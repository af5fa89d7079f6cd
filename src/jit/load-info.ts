import { encodeInsns } from '../isa/index.ts';
import { prepareDump } from './dump-form.ts';
import type { ProgInfo } from './prog-info.ts';
import type { InterpretedProgram, JitedFunc, JitedProgram } from './program.ts';

/** What the kernel knows of a loaded program besides its code. */
export interface LoadFacts {
  readonly id: number;
  /** Since boot. */
  readonly loadTimeNs: bigint;
  readonly createdByUid: number;
  /** 0 without BTF. */
  readonly btfId: number;
  /** Instructions the verifier walked; 0 when nobody verified. */
  readonly verifiedInsns: number;
  readonly attachBtfObjId: number;
  readonly attachBtfId: number;
}

const MAX_NAME_BYTES = 15;

/** Everything `BPF_OBJ_GET_INFO_BY_FD` can say of a program (`kernel/bpf/syscall.c: bpf_prog_get_info_by_fd`). */
export function loadedProgInfo(prog: JitedProgram | InterpretedProgram, facts: LoadFacts): ProgInfo {
  const { xlated } = prog;
  const insns = prepareDump(prog.insns, xlated.maps, true);
  const shown: readonly JitedFunc[] = prog.jited ? visibleFuncs(prog) : [];
  const jited = new Uint8Array(shown.reduce((sum, func) => sum + func.jitedLen, 0));
  let at = 0;
  for (const func of shown) {
    jited.set(func.bytes.subarray(0, func.jitedLen), at);
    at += func.jitedLen;
  }
  return {
    ...facts,
    type: xlated.type,
    name: xlated.name.slice(0, MAX_NAME_BYTES),
    tag: prog.tag,
    gplCompatible: xlated.gplCompatible,
    mapIds: xlated.maps.map(map => map.id),
    xlated: insns,
    xlatedBytes: encodeInsns(insns).length,
    jited,
    jitedBytes: jited.length,
    jitedKsyms: shown.map(func => func.addr),
    jitedFuncLens: shown.map(func => func.jitedLen),
    progTags: shown.length > 1 ? shown.map(func => func.tag) : [prog.tag],
    funcInfo: xlated.funcInfo,
    lineInfo: xlated.lineInfo,
    jitedLineInfo: prog.jited ? xlated.lineInfo.map(line => jitedLine(prog, line.insnIdx)) : [],
  };
}

/** What user space is told of: hidden functions come last and are left out (`func_cnt`). */
function visibleFuncs({ aux, funcs }: JitedProgram): readonly JitedFunc[] {
  return funcs.slice(0, Math.max(1, aux.funcCount));
}

/** The function a slot belongs to. */
function funcOfSlot({ funcs }: JitedProgram, slot: number): JitedFunc {
  let low = 0;
  let high = funcs.length;
  while (low < high) {
    const mid = (low + high) >> 1;
    if (funcs[mid].start <= slot) low = mid + 1;
    else high = mid;
  }
  return funcs[Math.max(0, low - 1)];
}

/** Address of the code of a slot; of a function's first slot, the function's. */
export function addressOfSlot(prog: JitedProgram, slot: number): bigint {
  const func = funcOfSlot(prog, slot);
  return slot === func.start ? func.bpfFunc : func.addr + BigInt(func.slotOffs[slot - func.start]);
}

/** What a line record of a slot says (`bpf_prog_fill_jited_linfo`): the JIT's word, which need not be the slot's place. */
function jitedLine(prog: JitedProgram, slot: number): bigint {
  const func = funcOfSlot(prog, slot);
  return slot === func.start ? func.bpfFunc : func.bpfFunc + BigInt(func.lineOffs[slot - func.start]);
}
