import { bpf_func_id } from '../uapi/index.ts';

const NAME_BY_ID: ReadonlyMap<number, string> = new Map(
  Object.entries(bpf_func_id).map(([name, id]) => [id, `bpf_${name.slice('BPF_FUNC_'.length)}`]),
);

/** The kernel function behind a helper in programs of a type. */
export function helperSymbol(helperId: number, _progType: number): string {
  return NAME_BY_ID.get(helperId) ?? `bpf_unknown_${helperId}`;
}
