import {
  baseType,
  NOT_INIT,
  PTR_MAYBE_NULL,
  PTR_TO_MAP_VALUE,
  PTR_TO_PACKET,
  PTR_TO_PACKET_END,
  PTR_TO_PACKET_META,
  SCALAR_VALUE,
} from '../../../helpers/index.ts';
import { tnumIsConst } from '../../domain/index.ts';
import type { ExplainCase } from '../case.ts';
import type { Held } from '../held.ts';
import { numberText, rangeOf } from '../number-words.ts';
import { Slicer } from '../slice.ts';
import { targetWords } from '../value-words.ts';
import { accessOf, accessWords, bytesWords, calleeOf, rangeWords, reachOf, regionSize } from './access.ts';
import { reg, type TellRow, type Told } from './row.ts';

const lowered = (text: string): string => text.charAt(0).toLowerCase() + text.slice(1);
const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

/** What checking a variable offset takes: `at most 44`. */
function boundRemedy(c: ExplainCase, held: Held): string[] {
  const access = accessOf(c);
  const size = regionSize(held);
  const { fixed } = reachOf(held, access);
  if (size === undefined)
    return ['Compare the index with a constant before it is used: `if (index >= LIMIT) return 0;`.'];
  const most = BigInt(size) - BigInt(Math.max(access.size, 1)) - fixed;
  if (most < 0n) {
    return [
      `Not even index 0 fits: ${targetWords(held)} would have to have ${bytesWords(-most)} more, or the access be that much nearer.`,
    ];
  }
  const step = stepOf(held);
  const index = step === 1n ? '' : ` (an index of at most ${most / step}, where each step is ${step} bytes)`;
  return [
    `Check the offset before it is added to the pointer. It counts bytes and may be at most ${most}${index}: ` +
      `\`if (${step === 1n ? 'offset' : 'index'} > ${most / step}) return 0;\`. Use an unsigned variable, and check the very variable that is used.`,
    `Or cut it off with a mask: \`${step === 1n ? 'offset' : 'index'} &= ${maskFor(most / step)};\`.`,
  ];
}

/** A variable offset is a multiple of it: the size of what is indexed. */
function stepOf({ scalar }: Held): bigint {
  let step = 1n;
  while (step < 4096n && ((BigInt(scalar.valueLo) | BigInt(scalar.maskLo)) & step) === 0n) step *= 2n;
  return step;
}

/** The largest mask whose numbers are all allowed. */
function maskFor(most: bigint): string {
  let mask = 0n;
  while (mask * 2n + 1n <= most) mask = mask * 2n + 1n;
  return `0x${mask.toString(16)}`;
}

function boundsTold(c: ExplainCase, what: 'min' | 'max' | 'unbounded' | 'negative'): Told {
  const regno = c.num(0);
  const held = c.reg(regno);
  if (held === undefined) return plainBounds(regno);
  const access = accessOf(c);
  const reach = reachOf(held, access);
  const size = regionSize(held);
  const target = targetWords(held);
  const room = size === undefined ? '' : ` ${capital(target)} has bytes 0 to ${size - 1}.`;
  const packet = baseType(held.type) === PTR_TO_PACKET;
  if (packet) return packetTold(c, regno, held);
  const subjects = [reg(regno)];
  if (what === 'negative') {
    const { min } = rangeOf(held.scalar);
    return {
      title: 'The offset may be negative',
      attempted: `${accessWords(c, regno)}. The offset may be as low as ${numberText(min)}: before the beginning of ${target}.`,
      remedies: [
        'Use an unsigned variable for the index, and compare it as one: `__u32 i = …; if (i >= LIMIT) return 0;`.',
        'Or check both ends: `if (i < 0 || i >= LIMIT) return 0;`.',
        ...boundRemedy(c, held).slice(0, 1),
      ],
      subjects,
    };
  }
  if (what === 'unbounded' || (reach.unlimited && !reach.constant)) {
    return {
      title: `Nothing limits how far into ${target} the access goes`,
      attempted:
        `${accessWords(c, regno)}, but the part of the offset that was computed has no useful upper limit.${room} ` +
        'The verifier believes only what instructions on this path have proved.',
      remedies: boundRemedy(c, held),
      subjects,
    };
  }
  const extent = reach.constant ? rangeWords(reach) : `any of ${rangeWords(reach)}`;
  return {
    title: reach.first < 0n ? `Access before the beginning of ${target}` : `Access past the end of ${target}`,
    attempted: `${accessWords(c, regno)}: ${extent}.${room}`,
    remedies: reach.constant ? constantRemedy(c, held) : boundRemedy(c, held),
    subjects,
  };
}

const plainBounds = (regno: number): Told => ({
  title: 'Access outside of the allowed memory',
  attempted: `The access through r${regno} may leave the memory it belongs to.`,
  remedies: ['Check the offset against the size before it is used.'],
  subjects: [reg(regno)],
});

function constantRemedy(c: ExplainCase, held: Held): string[] {
  const access = accessOf(c);
  const { last } = reachOf(held, access);
  const size = regionSize(held) ?? 0;
  const over = last + 1n - BigInt(size);
  if (baseType(held.type) === PTR_TO_MAP_VALUE && over > 0n) {
    return [
      `The offset is fixed, so a check does not help. Access a field that is there, or make the map's value at least ${last + 1n} bytes long.`,
    ];
  }
  if (access.callee !== undefined) {
    return [
      `Pass a size that fits: at most ${bytesWords(size)} from the beginning. \`sizeof(*ptr)\` is safer than a number.`,
    ];
  }
  return ['The offset is fixed, so a check does not help: access what is there, or get a larger piece of memory.'];
}

/** Where to compare with the end of the packet. */
function packetTold(c: ExplainCase, regno: number, held: Held): Told {
  const access = accessOf(c);
  const reach = reachOf(held, access);
  const checked = Math.max(held.info.range, 0);
  const target = targetWords(held);
  const length = (held.scalar.maskHi | held.scalar.maskLo) === 0 ? reach.last + 1n : undefined;
  const known =
    checked === 0
      ? `No comparison on this path says that ${target} has any bytes there.`
      : `Only the first ${bytesWords(checked)} are known to be there.`;
  const subjects = [reg(regno)];
  const end = baseType(held.type) === PTR_TO_PACKET_META ? 'data' : 'data_end';
  const start = baseType(held.type) === PTR_TO_PACKET_META ? 'data_meta' : 'data';
  if (length !== undefined) {
    return {
      title: `Access to ${target} beyond what was checked`,
      attempted: `${accessWords(c, regno)}: ${rangeWords(reach)} of ${target}. ${known}`,
      remedies: [
        `Before this access, compare with the end: \`if (${start} + ${length} > ${end}) return …;\` — ` +
          'with the same pointer that is used afterwards, and give up on the side where the bytes are missing.',
        'The check must be on every path that leads here, and after it no helper may be called that can move the packet.',
      ],
      subjects,
    };
  }
  const need = BigInt(Math.max(access.size, 1)) + reach.fixed;
  return {
    title: `Access to ${target} at a computed offset that was not checked`,
    attempted:
      `${accessWords(c, regno)}, at an offset that is only known when the program runs. ${known} ` +
      'A check counts only for the pointer it is made with and its copies: adding a variable makes a new pointer.',
    remedies: [
      `Limit the offset first (\`if (offset > 1500) return …;\`), add it, and then compare the new pointer with the end: ` +
        `\`p = ${start} + offset; if (p + ${need} > ${end}) return …;\`.`,
      'Access the packet through that same `p`. If the compiler computes the address anew, keep it from it with `asm volatile("" : "+r"(p));`.',
    ],
    subjects,
  };
}

/** `R2 invalid mem access 'scalar'`: what the register holds decides what to say. */
const invalidAccess: TellRow = c => {
  const regno = c.num(0);
  const held = c.reg(regno);
  const subjects = [reg(regno)];
  const doing = accessWords(c, regno);
  if (held === undefined || held.type === NOT_INIT) {
    return { title: 'Access through a register that holds nothing', attempted: `${doing}.`, remedies: [], subjects };
  }
  if ((held.type & PTR_MAYBE_NULL) !== 0) {
    return {
      title: 'A pointer that may be NULL is used without a check',
      attempted: `${doing}, which is ${c.regWords(regno)}. On the path shown nobody asked whether it is NULL.`,
      remedies: [
        `Check it right after it is got: \`if (!ptr) return 0;\` before ${whereWords(c)}.`,
        'If there is a check, it must be on every path that leads here, and on this very value: the result of another call of the same helper is another value.',
      ],
      subjects,
    };
  }
  if (held.type === SCALAR_VALUE) return scalarAccess(c, regno, held, doing);
  if (baseType(held.type) === PTR_TO_PACKET_END) {
    return {
      title: 'The end of the packet is not for access',
      attempted: `${doing}, which is the pointer one past the packet's last byte.`,
      remedies: ['Access the packet through `data`; `data_end` is only for comparisons.'],
      subjects,
    };
  }
  return {
    title: `Memory of this kind cannot be accessed directly`,
    attempted: `${doing}, which is ${c.regWords(regno)}. A program may not access that with a load or store.`,
    remedies: [
      'Copy what is needed with a helper: `bpf_probe_read_kernel()` for kernel memory, `bpf_probe_read_user()` for user memory.',
    ],
    subjects,
  };
};

const whereWords = (c: ExplainCase): string => (c.insnIdx === undefined ? 'its use' : c.where(c.insnIdx));

function scalarAccess(c: ExplainCase, regno: number, held: Held, doing: string): Told {
  const subjects = [reg(regno)];
  const constant = tnumIsConst(held.scalar);
  const isNull = constant && (held.scalar.valueLo | held.scalar.valueHi) === 0;
  if (isNull) {
    return {
      title: 'Access through a pointer that is NULL here',
      attempted: `${doing}, which is 0 on this path: either it was set to NULL, or this is the side of a check where the pointer is NULL.`,
      remedies: ['Use the pointer only on the side of the check where it is not NULL: `if (ptr) { … use it … }`.'],
      subjects,
    };
  }
  const history = new Slicer(c).trace([{ at: c.at, frame: c.frame, place: regno }]);
  const lost = history.findLast(event => event.kind === 'lost');
  if (lost !== undefined) {
    return {
      title: 'A pointer is used that is no good any more',
      attempted: `${doing}. It was a pointer, but since ${c.where(lost.insnIdx)} it is only a number: ${lowered(lost.text)}`,
      remedies: lost.text.includes('move the packet')
        ? [
            `After ${c.where(lost.insnIdx)} load \`data\` and \`data_end\` from the context again, and compare again.`,
            'Or do everything with the packet before that call.',
          ]
        : [`Do not use it after ${c.where(lost.insnIdx)}: copy what is needed before.`],
      subjects,
    };
  }
  const address = c.regWords(regno);
  return {
    title: 'A plain number is used as an address',
    attempted:
      `${doing}, but to the verifier r${regno} is ${address}, not a pointer it can vouch for. ` +
      'Pointers become numbers when they are read from memory the verifier does not keep types for, when they are computed with in ways it does not follow, ' +
      'or when the object they point to is given back.',
    remedies: [
      'If it is an address in kernel or user memory, copy from it with `bpf_probe_read_kernel()` or `bpf_probe_read_user()` (or `BPF_CORE_READ()`).',
      ...(history.some(event => event.text.includes('loaded from the context'))
        ? [
            'If it should be a pointer the kernel passes in: check that the section name gives the program the type it is meant to have.',
          ]
        : []),
      'If it was a pointer once, the history shows where that was lost: keep the pointer in a local variable, and check and use that.',
    ],
    subjects,
  };
}

/** A register used before anything was written to it. */
const notInitialised: TellRow = c => {
  const regno = c.num(0);
  const call = c.insn !== undefined && c.insn.code === 0x85;
  const isReturn = c.insn?.code === 0x95;
  if (isReturn) {
    return {
      title: 'The function ends without a result',
      attempted: 'The function returns, but on this path nothing was put in r0, which holds the result.',
      remedies: [
        'Return a value on every path: `return 0;`. A function that is not declared `void` must not end without one.',
      ],
      subjects: [reg(regno)],
    };
  }
  const target = call ? `${calleeOf(c)}() takes an argument from r${regno}` : `The instruction uses r${regno}`;
  return {
    title: 'A value is used that was never set on this path',
    attempted: `${target}, but on the path shown it holds nothing.`,
    remedies: [
      'Initialise the variable where it is declared, or set it on every path that leads here (`int x = 0;`).',
      call
        ? `Pass all arguments ${calleeOf(c)}() takes.`
        : 'If it was set before a call: r1 to r5 do not survive calls. In C the compiler takes care of that; in assembly use r6 to r9.',
    ],
    subjects: [reg(regno)],
  };
};

const stackRange: TellRow = c => {
  const [access, regno, off, size] = [c.str(0), c.num(1), c.num(2), c.num(3)];
  const past = off >= 0 || off + size > 0;
  if (!past && off >= -512) return unwritten(c, regno, off, size);
  const doing = access.includes('indirect') ? `${calleeOf(c)}() is given r${regno} and` : 'The instruction';
  const verb = access.includes('write') ? 'writes' : access.includes('read') ? 'reads' : 'accesses';
  const room = past
    ? 'The stack ends at r10: bytes at r10 and above belong to nobody.'
    : 'A function has 512 bytes of stack, down to r10 - 512.';
  return {
    title: past ? 'Access above the top of the stack' : 'Access below the bottom of the stack',
    attempted: `${doing} ${verb} ${bytesWords(size)} of the stack at r10 ${off < 0 ? '-' : '+'} ${Math.abs(off)}. ${room}`,
    remedies: past
      ? ['Pass the size of the variable itself (`sizeof(key)`), and index arrays only up to their length.']
      : ['Keep large buffers in a per-CPU array map of one element instead of on the stack.'],
    subjects: [reg(regno)],
  };
};

/** Within the stack, but below all that was ever written. */
function unwritten(c: ExplainCase, regno: number, off: number, size: number): Told {
  const who = c.insn?.code === 0x85 ? `${calleeOf(c)}() would read` : 'The instruction reads';
  return {
    title: 'Stack memory is read that nobody has written',
    attempted: `${who} ${bytesWords(size)} of the stack at r10 - ${-off}, and on this path nothing was ever stored there.`,
    remedies: UNWRITTEN_REMEDIES,
    subjects: regno === 10 ? [] : [reg(regno)],
  };
}
const UNWRITTEN_REMEDIES = [
  'Initialise the whole variable, its padding too: `struct key k = {};` or `__builtin_memset(&k, 0, sizeof(k));`.',
  'Loaded with CAP_PERFMON the kernel allows it from Linux 6.3 on; without, it never does.',
];

const stackVariable: TellRow = c => {
  const regno = c.num(1);
  return {
    title: 'The offset into the stack has no safe limits',
    attempted: `r${regno} is ${c.regWords(regno)}: the access may leave the variable it is meant for and the stack.`,
    remedies: [
      'Limit the index before it is used: `if (i >= ARRAY_LENGTH) return 0;` with an unsigned `i`, or `i &= ARRAY_LENGTH - 1;`.',
      'If it is passed to a helper, its size argument needs a limit too.',
    ],
    subjects: [reg(regno)],
  };
};

const stackUninit =
  (regArg: number | undefined, offArg: number): TellRow =>
  c => {
    const off = c.num(offArg) + c.num(offArg + 1);
    const spi = Math.floor((-off - 1) / 8);
    const regno = regArg === undefined ? (c.insn?.src ?? 10) : c.num(regArg);
    const who = c.insn?.code === 0x85 ? `${calleeOf(c)}() would read` : 'The instruction reads';
    return {
      title: 'Stack memory is read that nobody has written',
      attempted: `${who} ${bytesWords(c.num(offArg + 2))} of the stack at r10 - ${-c.num(offArg)}; byte ${c.num(offArg + 1)} of them was never written on this path.`,
      remedies: UNWRITTEN_REMEDIES,
      subjects: spi >= 0 && spi < 64 ? [reg(regno), { place: 16 + spi }] : [reg(regno)],
    };
  };

export const MEMORY_ROWS = {
  memInvalidAccess: invalidAccess,
  memMinOutside: c => boundsTold(c, 'min'),
  memMaxOutside: c => boundsTold(c, 'max'),
  memUnbounded: c => boundsTold(c, 'unbounded'),
  memMinNegative: c => boundsTold(c, 'negative'),
  packetOutside: c => {
    const regno = c.num(0);
    const held = c.reg(regno);
    return held === undefined ? plainBounds(regno) : packetTold(c, regno, held);
  },
  regReadOk: notInitialised,
  stackOutOfBounds: stackRange,
  stackVarOffOutOfBounds: stackVariable,
  stackUnbounded: stackVariable,
  stackInvalidRead: stackUninit(undefined, 0),
  stackUninitRead: stackUninit(1, 2),
} satisfies Record<string, TellRow>;
