import { MAX_BPF_REG, MAX_BPF_STACK, MAX_CALL_FRAMES } from '../../isa/index.ts';
import { BPF_ADD_CONST } from './reg.ts';

/** Ids a state can have at most (`include/linux/bpf_verifier.h: BPF_ID_MAP_SIZE`). */
const BPF_ID_MAP_SIZE = (MAX_BPF_REG + MAX_BPF_STACK / 8) * MAX_CALL_FRAMES;

/** Which id of one state stands for which of another while both are compared (`struct bpf_idmap`). */
export class IdMap {
  /** Ids made up for registers that have none. */
  tmpIdGen = 0;
  count = 0;
  readonly old = new Int32Array(BPF_ID_MAP_SIZE);
  readonly cur = new Int32Array(BPF_ID_MAP_SIZE);

  /** Forgets everything. Source: `reset_idmap_scratch`. */
  reset(idGen: number): void {
    this.count = 0;
    this.tmpIdGen = idGen;
  }
}

/** Whether both have an id or none has, and the pair goes with those seen before; then it is remembered. */
export function checkIds(oldId: number, curId: number, idmap: IdMap): boolean {
  if (oldId === 0 || curId === 0) return oldId === curId;
  const { old, cur, count } = idmap;
  for (let i = 0; i < count; i++) {
    if (old[i] === oldId) return cur[i] === curId;
    if (cur[i] === curId) return false;
  }
  if (count === BPF_ID_MAP_SIZE) return false;
  old[count] = oldId;
  cur[count] = curId;
  idmap.count = count + 1;
  return true;
}

/**
 * The same for scalars. One that was linked to nothing when the old state was verified may be linked to anything now;
 * one that was linked must not be matched by two that are linked to nothing, which is what made-up ids are for. Where
 * registers are linked by a distance, the ids without the mark of that have to agree as well.
 */
export function checkScalarIds(oldId: number, curId: number, idmap: IdMap): boolean {
  if (oldId === 0) return true;
  const id = curId !== 0 ? curId : ++idmap.tmpIdGen;
  if (!checkIds(oldId, id, idmap)) return false;
  return (oldId & BPF_ADD_CONST) === 0 || checkIds(oldId & ~BPF_ADD_CONST, id & ~BPF_ADD_CONST, idmap);
}
