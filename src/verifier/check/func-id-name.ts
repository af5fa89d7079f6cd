import { helperName } from '../../uapi/index.ts';

/** `bpf_map_lookup_elem` for 1; `unknown` for numbers not given away. Source: `kernel/bpf/disasm.c: func_id_name`. */
export const funcIdName = (id: number): string => helperName(id) ?? 'unknown';
