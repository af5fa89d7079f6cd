import type { Btf } from '../btf/index.ts';
import { NOT_INIT } from '../helpers/index.ts';
import type { VerifierMap } from './input.ts';
import type { BtfRecord } from './state/record.ts';

/** What is learnt of few instructions only. */
export class InsnDetail {
  /** Helper calls with a map: which one; poisoned where paths differ. */
  mapPtr: VerifierMap | undefined = undefined;
  mapPoison = false;
  mapUnpriv = false;
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
  sanitizeStackSpill = false;
  needsZext = false;
  storageGetFuncAtomic = false;
  isIterNext = false;
  callWithPercpuAllocPtr = false;
}

const NO_DETAIL: Readonly<InsnDetail> = new InsnDetail();

/** What the walk learns of one instruction and the fixups use (`struct bpf_insn_aux_data`). */
export class InsnAux {
  /** Loads and stores: type of the pointer. */
  ptrType = NOT_INIT;
  /** Visited by the walk in pass `env.passCnt`. */
  seen = 0;
  zextDst = false;
  fastcallPattern = false;
  fastcallSpillsNum = 0;
  /** Place before any patching. */
  origIdx: number;
  /** Shared until {@link own} was called. */
  detail: Readonly<InsnDetail> = NO_DETAIL;

  constructor(origIdx: number) {
    this.origIdx = origIdx;
  }

  /** The detail, to be written. */
  own(): InsnDetail {
    if (this.detail === NO_DETAIL) this.detail = new InsnDetail();
    return this.detail as InsnDetail;
  }
}
