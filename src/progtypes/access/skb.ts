import {
  PTR_MAYBE_NULL,
  PTR_TO_FLOW_KEYS,
  PTR_TO_PACKET,
  PTR_TO_PACKET_END,
  PTR_TO_PACKET_META,
  PTR_TO_SOCK_COMMON,
  SK_BUFF,
  SK_BUFF_BYTES,
} from '../../helpers/index.ts';
import { type AccessRule, field, narrowAccessOk, onRead, refused, sized, structRule } from './rules.ts';

const CB_BYTES = 20;
const WORD = sized(4);

const packetPointer: AccessRule = (_off, size, _write, _prog, access) => !access.isLdsx && size === 4;
const plain: AccessRule = (_off, size, write, _prog, access) => {
  if (write) return size === 4;
  access.ctxFieldSizeBytes = 4;
  return narrowAccessOk(size, 4);
};
const socket: AccessRule = (_off, size, write, _prog, access) => {
  if (write || size !== 8) return false;
  access.regType = PTR_TO_SOCK_COMMON | PTR_MAYBE_NULL;
  return true;
};

/** What every type that sees `struct __sk_buff` has in common. Source: `net/core/filter.c: bpf_skb_is_valid_access`. */
const common = structRule(
  SK_BUFF_BYTES,
  [
    field(SK_BUFF.cb, CB_BYTES, (off, size) => off + size <= SK_BUFF.cb + CB_BYTES),
    field(SK_BUFF.data, 4, packetPointer),
    field(SK_BUFF.data_meta, 4, packetPointer),
    field(SK_BUFF.data_end, 4, packetPointer),
    field(SK_BUFF.remote_ip6, 16, WORD),
    field(SK_BUFF.local_ip6, 16, WORD),
    field(SK_BUFF.remote_ip4, 4, WORD),
    field(SK_BUFF.local_ip4, 4, WORD),
    field(SK_BUFF.flow_keys, 8, refused),
    field(SK_BUFF.hwtstamp, 8, onRead(sized(8))),
    field(SK_BUFF.tstamp, 8, sized(8)),
    field(SK_BUFF.sk, 8, socket),
    // tstamp_type and the padding behind it.
    { from: SK_BUFF.tstamp_type, end: SK_BUFF.hwtstamp, rule: refused },
  ],
  plain,
);

type Range = readonly [from: number, end: number];
const word = (name: keyof typeof SK_BUFF): Range => [SK_BUFF[name], SK_BUFF[name] + 4];
const CB: Range = [SK_BUFF.cb, SK_BUFF.cb + CB_BYTES];
const TSTAMP: Range = [SK_BUFF.tstamp, SK_BUFF.tstamp + 8];
const HWTSTAMP: Range = [SK_BUFF.hwtstamp, SK_BUFF.hwtstamp + 8];
/** `family` to `local_port`. */
const SOCKET_FIELDS: Range = [SK_BUFF.family, SK_BUFF.local_port + 4];

const HIDDEN = 1;
const WRITABLE = 2;
/** Only with CAP_BPF. */
const CAPABLE = 4;
const CAPABLE_WRITE = 8;

interface SkbSpec {
  readonly hidden: readonly Range[];
  readonly writable: readonly Range[];
  readonly capable?: readonly Range[];
  readonly capableWrite?: readonly Range[];
  /** `data` and `data_end` (and `data_meta`) are pointers, not hidden. */
  readonly pointers: boolean;
}

function skbRule({ hidden, writable, capable = [], capableWrite = [], pointers }: SkbSpec): AccessRule {
  const flags = new Uint8Array(SK_BUFF_BYTES);
  const mark = (ranges: readonly Range[], flag: number): void => {
    for (const [from, end] of ranges) for (let off = from; off < end; off++) flags[off] |= flag;
  };
  mark(hidden, HIDDEN);
  mark(writable, WRITABLE);
  mark(capable, CAPABLE);
  mark(capableWrite, CAPABLE_WRITE);
  const types = new Uint8Array(SK_BUFF_BYTES);
  if (pointers) {
    types.fill(PTR_TO_PACKET, ...word('data'));
    types.fill(PTR_TO_PACKET_END, ...word('data_end'));
    types.fill(PTR_TO_PACKET_META, ...word('data_meta'));
  }
  return (off, size, write, prog, access) => {
    if (off < 0 || off >= SK_BUFF_BYTES) return false;
    const flag = flags[off];
    if ((flag & HIDDEN) !== 0) return false;
    if ((flag & CAPABLE) !== 0 && !prog.capBpf) return false;
    if (write && (flag & WRITABLE) === 0) return false;
    if (write && (flag & CAPABLE_WRITE) !== 0 && !prog.capBpf) return false;
    if (types[off] !== 0) access.regType = types[off];
    return common(off, size, write, prog, access);
  };
}

/** Source: `sk_filter_is_valid_access`. */
export const socketFilterAccess = skbRule({
  hidden: [
    word('tc_classid'),
    word('data'),
    word('data_meta'),
    word('data_end'),
    SOCKET_FIELDS,
    TSTAMP,
    word('wire_len'),
    HWTSTAMP,
  ],
  writable: [CB],
  pointers: false,
});

/** Source: `cg_skb_is_valid_access`. */
export const cgroupSkbAccess = skbRule({
  hidden: [word('tc_classid'), word('data_meta'), word('wire_len')],
  writable: [word('mark'), word('priority'), CB, TSTAMP],
  capable: [word('data'), word('data_end')],
  capableWrite: [TSTAMP],
  pointers: true,
});

/** Source: `lwt_is_valid_access`. */
export const lwtAccess = skbRule({
  hidden: [word('tc_classid'), SOCKET_FIELDS, word('data_meta'), TSTAMP, word('wire_len'), HWTSTAMP],
  writable: [word('mark'), word('priority'), CB],
  pointers: true,
});

/** Source: `sk_skb_is_valid_access`. */
export const skSkbAccess = skbRule({
  hidden: [word('tc_classid'), word('data_meta'), TSTAMP, word('wire_len'), HWTSTAMP, word('mark')],
  writable: [word('tc_index'), word('priority')],
  pointers: true,
});

const tcRule = skbRule({
  hidden: [[SK_BUFF.family, SK_BUFF.data_meta]],
  writable: [word('mark'), word('tc_index'), word('priority'), word('tc_classid'), CB, TSTAMP, word('queue_mapping')],
  pointers: true,
});

/** Source: `tc_cls_act_is_valid_access`. */
export const tcAccess: AccessRule = (off, size, write, prog, access) => {
  if (off === SK_BUFF.tstamp_type && !write) {
    prog.tstampTypeAccess = true;
    return size === 1;
  }
  return tcRule(off, size, write, prog, access);
};

/** Source: `flow_dissector_is_valid_access`. */
const dissectorPointer =
  (regType: number): AccessRule =>
  (_off, size, _write, _prog, access) => {
    if (access.isLdsx || size !== 4) return false;
    access.regType = regType;
    return true;
  };
const dissectorFields = structRule(
  SK_BUFF_BYTES,
  [
    field(SK_BUFF.data, 4, dissectorPointer(PTR_TO_PACKET)),
    field(SK_BUFF.data_end, 4, dissectorPointer(PTR_TO_PACKET_END)),
    field(SK_BUFF.flow_keys, 8, (_off, size, _write, _prog, access) => {
      if (size !== 8) return false;
      access.regType = PTR_TO_FLOW_KEYS;
      return true;
    }),
  ],
  refused,
);
export const flowDissectorAccess = onRead(dissectorFields);
