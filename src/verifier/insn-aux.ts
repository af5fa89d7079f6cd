import type { Btf } from '../btf/index.ts';
import { NOT_INIT } from '../helpers/index.ts';
import type { VerifierMap } from './input.ts';
import type { BtfRecord } from './state/record.ts';

/** What the walk learns of one instruction and the fixups use (`struct bpf_insn_aux_data`). */
export class InsnAux {
  /** Loads and stores: type of the pointer. */
  ptrType = NOT_INIT;
  /** Helper calls with a map: which one; poisoned where paths differ. */
  mapPtr: VerifierMap | undefined = undefined;
  mapPoison = false;
  mapUnpriv = false;
  /** Pseudo calls: imm as it was. */
  callImm = 0;
  /** Pointer arithmetic without CAP_PERFMON. */
  aluState = 0;
  aluLimit = 0;
  /** ld_imm64 of maps. */
  mapIndex = -1;
  mapOff = 0;
  /** ld_imm64 of kernel variables. */
  btfVarType = NOT_INIT;
  btfVarBtf: Btf | undefined = undefined;
  btfVarId = 0;
  btfVarMemSize = 0;
  /** bpf_loop: whether it can be inlined, and what it calls back. */
  loopInitialized = false;
  loopFitForInline = false;
  loopCallbackSubprogno = 0;
  objNewSize = 0;
  insertOff = 0;
  kptrStructRecord: BtfRecord | undefined = undefined;
  /** Constant key of a map look-up: seen, poisoned where paths differ, value. */
  mapKeySeen = false;
  mapKeyPoison = false;
  mapKey = 0;
  ctxFieldSize = 0;
  /** Visited by the walk in pass `env.passCnt`. */
  seen = 0;
  sanitizeStackSpill = false;
  zextDst = false;
  needsZext = false;
  storageGetFuncAtomic = false;
  isIterNext = false;
  callWithPercpuAllocPtr = false;
  fastcallPattern = false;
  fastcallSpillsNum = 0;
  /** Place before any patching. */
  origIdx: number;

  constructor(origIdx: number) {
    this.origIdx = origIdx;
  }
}
