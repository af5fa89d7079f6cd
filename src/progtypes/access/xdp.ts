import { PTR_TO_PACKET, PTR_TO_PACKET_END, PTR_TO_PACKET_META, XDP_MD, XDP_MD_BYTES } from '../../helpers/index.ts';
import { bpf_attach_type } from '../../uapi/index.ts';
import { type AccessRule, at, onRead, sized, structRule } from './rules.ts';

const WORD = sized(4);
const pointer =
  (regType: number): AccessRule =>
  (_off, size, _write, _prog, access) => {
    if (access.isLdsx) return false;
    access.regType = regType;
    return size === 4;
  };

/** Source: `net/core/filter.c: xdp_is_valid_access`; programs of network cards are not verified here. */
export const xdpAccess: AccessRule = onRead(
  structRule(
    XDP_MD_BYTES,
    [
      at(XDP_MD.data, pointer(PTR_TO_PACKET)),
      at(XDP_MD.data_meta, pointer(PTR_TO_PACKET_META)),
      at(XDP_MD.data_end, pointer(PTR_TO_PACKET_END)),
      at(
        XDP_MD.egress_ifindex,
        (_off, size, _write, prog) => prog.attachType === bpf_attach_type.BPF_XDP_DEVMAP && size === 4,
      ),
    ],
    WORD,
  ),
);
