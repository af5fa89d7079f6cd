import { defineHelper } from './check.ts';
import { ANY, btf, CTX, int, MAP, MEM, MEM_IN, nothing, SIZE, SIZE_OR_ZERO } from './proto.ts';
import { type HelperDef, ProgramFault } from './types.ts';

/** A helper whose contract is known but whose behaviour needs parts of a kernel a machine does not have. */
function contractOnly(def: Omit<HelperDef, 'run'>): HelperDef {
  return defineHelper({
    ...def,
    implemented: false,
    run: () => {
      throw new ProgramFault('bad-call', `${def.name} is not implemented`);
    },
  });
}

/** Helpers with a contract only: programs that name them can be read and verified; calling one ends the run. */
export const CONTRACT_ONLY_HELPERS: readonly HelperDef[] = [
  contractOnly({ id: 73, name: 'bpf_lwt_push_encap', since: '4.18', proto: int([CTX, ANY, MEM_IN, SIZE]) }),
  contractOnly({ id: 76, name: 'bpf_lwt_seg6_action', since: '4.18', proto: int([CTX, ANY, MEM_IN, SIZE]) }),
  contractOnly({ id: 149, name: 'bpf_snprintf_btf', since: '5.10', proto: int([MEM, SIZE, MEM_IN, SIZE, ANY]) }),
  contractOnly({
    id: 150,
    name: 'bpf_seq_printf_btf',
    since: '5.10',
    proto: int([btf('seq_file'), MEM_IN, SIZE_OR_ZERO, ANY], 'gplOnly'),
  }),
  contractOnly({ id: 166, name: 'bpf_sys_bpf', since: '5.14', proto: int([ANY, MEM_IN, SIZE]) }),
  contractOnly({ id: 167, name: 'bpf_btf_find_by_name_kind', since: '5.14', proto: int([MEM_IN, SIZE, ANY, ANY]) }),
];

/** Engines carry out tail calls themselves and never call `run`. */
export const TAIL_CALL_HELPER: HelperDef = defineHelper({
  id: 12,
  name: 'bpf_tail_call',
  since: '4.2',
  proto: nothing([CTX, MAP, ANY]),
  run: () => {
    throw new ProgramFault('bad-call', 'bpf_tail_call is carried out by the engine');
  },
});
