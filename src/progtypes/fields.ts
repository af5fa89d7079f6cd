import { SK_BUFF, SK_BUFF_BYTES, XDP_MD, XDP_MD_BYTES } from '../helpers/index.ts';
import { bpf_prog_type } from '../uapi/index.ts';

/** How a program may load or store a field of its context. */
export interface ContextField {
  readonly name: string;
  readonly offBytes: number;
  readonly sizeBytes: number;
  /** Elements of `sizeBytes` one after another; 1 for plain fields. */
  readonly count: number;
  /** Loads of 1 or 2 bytes (and of 4 from 8) are allowed, aligned to their size. */
  readonly narrow: boolean;
  readonly readable: boolean;
  /** Stores of the whole field are allowed. */
  readonly writable: boolean;
  /** The field takes loads and stores of every size that stays inside it, 8 bytes included (`cb`). */
  readonly anySize: boolean;
}

/** The fields of a context struct as programs of one type see them. */
export interface ContextLayout {
  readonly struct: string;
  readonly sizeBytes: number;
  readonly fields: readonly ContextField[];
}

interface Shape {
  readonly sizeBytes: number;
  readonly count?: number;
  readonly narrow?: boolean;
  readonly anySize?: boolean;
}
const WORD: Shape = { sizeBytes: 4, narrow: true };
const WHOLE_WORD: Shape = { sizeBytes: 4 };
const WHOLE_LONG: Shape = { sizeBytes: 8 };

/** Fields of `struct __sk_buff` that are not one plain word (`net/core/filter.c: bpf_skb_is_valid_access`). */
const SK_BUFF_SHAPES: Readonly<Partial<Record<keyof typeof SK_BUFF, Shape>>> = {
  cb: { sizeBytes: 20, anySize: true },
  data: WHOLE_WORD,
  data_end: WHOLE_WORD,
  data_meta: WHOLE_WORD,
  remote_ip4: WHOLE_WORD,
  local_ip4: WHOLE_WORD,
  remote_ip6: { sizeBytes: 4, count: 4 },
  local_ip6: { sizeBytes: 4, count: 4 },
  flow_keys: WHOLE_LONG,
  tstamp: WHOLE_LONG,
  sk: WHOLE_LONG,
  tstamp_type: { sizeBytes: 1 },
  hwtstamp: WHOLE_LONG,
};

type SkbField = keyof typeof SK_BUFF;
const SOCKET_FIELDS: readonly SkbField[] = [
  'family',
  'remote_ip4',
  'local_ip4',
  'remote_ip6',
  'local_ip6',
  'remote_port',
  'local_port',
];

/** What a program type may not see, and what it may write. */
interface SkbRules {
  readonly hidden: readonly SkbField[];
  readonly writable: readonly SkbField[];
}
const LWT: SkbRules = {
  hidden: ['tc_classid', ...SOCKET_FIELDS, 'data_meta', 'tstamp', 'tstamp_type', 'wire_len', 'hwtstamp', 'flow_keys'],
  writable: ['mark', 'priority', 'cb'],
};
const TC: SkbRules = {
  hidden: [...SOCKET_FIELDS, 'flow_keys'],
  writable: ['mark', 'tc_index', 'priority', 'tc_classid', 'cb', 'tstamp', 'queue_mapping'],
};

const T = bpf_prog_type;
/** Source: `net/core/filter.c: sk_filter_is_valid_access` and its siblings. */
const SKB_RULES: ReadonlyMap<number, SkbRules> = new Map([
  [
    T.BPF_PROG_TYPE_SOCKET_FILTER,
    {
      hidden: [
        'tc_classid',
        'data',
        'data_meta',
        'data_end',
        ...SOCKET_FIELDS,
        'tstamp',
        'tstamp_type',
        'wire_len',
        'hwtstamp',
        'flow_keys',
      ],
      writable: ['cb'],
    },
  ],
  [T.BPF_PROG_TYPE_SCHED_CLS, TC],
  [T.BPF_PROG_TYPE_SCHED_ACT, TC],
  [
    T.BPF_PROG_TYPE_CGROUP_SKB,
    {
      hidden: ['tc_classid', 'data_meta', 'wire_len', 'flow_keys', 'tstamp_type'],
      writable: ['mark', 'priority', 'cb', 'tstamp'],
    },
  ],
  [T.BPF_PROG_TYPE_LWT_IN, LWT],
  [T.BPF_PROG_TYPE_LWT_OUT, LWT],
  [T.BPF_PROG_TYPE_LWT_XMIT, LWT],
  [T.BPF_PROG_TYPE_LWT_SEG6LOCAL, LWT],
  [
    T.BPF_PROG_TYPE_SK_SKB,
    {
      hidden: ['mark', 'tc_classid', 'data_meta', 'tstamp', 'tstamp_type', 'wire_len', 'hwtstamp', 'flow_keys'],
      writable: ['tc_index', 'priority'],
    },
  ],
]);

function skbLayout({ hidden, writable }: SkbRules): ContextLayout {
  const fields = (Object.keys(SK_BUFF) as SkbField[]).map((name): ContextField => {
    const shape = SK_BUFF_SHAPES[name] ?? WORD;
    return {
      name,
      offBytes: SK_BUFF[name],
      sizeBytes: shape.sizeBytes,
      count: shape.count ?? 1,
      narrow: shape.narrow ?? false,
      anySize: shape.anySize ?? false,
      readable: !hidden.includes(name),
      writable: writable.includes(name),
    };
  });
  return { struct: '__sk_buff', sizeBytes: SK_BUFF_BYTES, fields };
}

const XDP_LAYOUT: ContextLayout = {
  struct: 'xdp_md',
  sizeBytes: XDP_MD_BYTES,
  fields: Object.entries(XDP_MD).map(([name, offBytes]) => ({
    name,
    offBytes,
    sizeBytes: 4,
    count: 1,
    narrow: false,
    anySize: false,
    // Only programs attached to a device map know where the frame leaves.
    readable: name !== 'egress_ifindex',
    writable: false,
  })),
};

const LAYOUTS: ReadonlyMap<number, ContextLayout> = new Map([
  ...[...SKB_RULES].map(([type, rules]) => [type, skbLayout(rules)] as const),
  [T.BPF_PROG_TYPE_XDP, XDP_LAYOUT] as const,
]);

/** The context's fields for programs of that type; undefined where the table has none. */
export function contextLayout(progType: number): ContextLayout | undefined {
  return LAYOUTS.get(progType);
}

/** The field that holds the byte at `offBytes`. */
export function contextFieldAt(layout: ContextLayout, offBytes: number): ContextField | undefined {
  return layout.fields.find(
    field => offBytes >= field.offBytes && offBytes < field.offBytes + field.sizeBytes * field.count,
  );
}

/**
 * Whether Linux lets a program of that type load or store `sizeBytes` at `offBytes` of its context: one whole field, an
 * aligned part of one that allows narrow loads, never two fields at once.
 */
export function contextAccessAllowed(
  layout: ContextLayout,
  offBytes: number,
  sizeBytes: number,
  access: 'read' | 'write',
): boolean {
  const field = contextFieldAt(layout, offBytes);
  if (field === undefined || offBytes % sizeBytes !== 0 || !field.readable) return false;
  if (access === 'write' && !field.writable) return false;
  if (field.anySize) return offBytes + sizeBytes <= field.offBytes + field.sizeBytes;
  const into = (offBytes - field.offBytes) % field.sizeBytes;
  if (sizeBytes === field.sizeBytes) return into === 0;
  return access === 'read' && field.narrow && into + sizeBytes <= field.sizeBytes;
}
