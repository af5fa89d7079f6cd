import type { Btf } from '../../btf/index.ts';
import type { VerifierMap } from '../input.ts';
import type { BtfField } from '../state/record.ts';
import type { MemArgMeta } from './pointer-kinds.ts';

/** What the arguments of a helper call tell about the call (`struct bpf_call_arg_meta`). */
export class CallArgMeta implements MemArgMeta {
  funcId = 0;
  /** The map passed, or the one an argument lies in; `map_ptr`. */
  map: VerifierMap | undefined = undefined;
  mapUid = 0;
  rawMode = false;
  pktAccess = false;
  /** The register whose reference the helper gives back; 0: none. */
  releaseRegno = 0;
  /** Memory the helper fills: bytes, and through which register. */
  regno = 0;
  accessSize = 0;
  /** Bytes of memory the helper returns. */
  memSize = 0;
  /** The constant an array is looked up with; -1 for none. */
  constMapKey = -1;
  msizeMaxHi = 0;
  msizeMaxLo = 0;
  refObjId = 0;
  dynptrId = 0;
  retBtf: Btf | undefined = undefined;
  retBtfId = 0;
  subprogno = 0;
  kptrField: BtfField | undefined = undefined;
}

export const newCallArgMeta = (): CallArgMeta => new CallArgMeta();
