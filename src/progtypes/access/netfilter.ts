import { PTR_TO_BTF_ID, PTR_TRUSTED } from '../../helpers/index.ts';
import { BPF_NF_CTX, BPF_NF_CTX_BYTES } from '../ctx-structs.ts';
import { kernelStructId } from '../kernel-struct.ts';
import { type AccessRule, field, onRead, refused, structRule } from './rules.ts';

const trusted =
  (struct: string): AccessRule =>
  (_off, size, _write, prog, access) => {
    const btfId = size === 8 ? kernelStructId(prog.kernelBtf, struct) : 0;
    if (btfId === 0) return false;
    access.btf = prog.kernelBtf;
    access.btfId = btfId;
    access.regType = PTR_TO_BTF_ID | PTR_TRUSTED;
    return true;
  };

/** Source: `net/netfilter/nf_bpf_link.c: nf_is_valid_access`. */
export const netfilterAccess: AccessRule = onRead(
  structRule(
    BPF_NF_CTX_BYTES,
    [field(BPF_NF_CTX.skb, 8, trusted('sk_buff')), field(BPF_NF_CTX.state, 8, trusted('nf_hook_state'))],
    refused,
  ),
);
