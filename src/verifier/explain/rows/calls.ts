import { type HelperProto, helperByName, helperDef } from '../../../helpers/index.ts';
import { progTypeContract } from '../../../progtypes/index.ts';
import { bpf_prog_type, mapTypeName, progTypeName } from '../../../uapi/index.ts';
import type { ExplainCase } from '../case.ts';
import { bytesWords, calleeOf } from './access.ts';
import { reg, type TellRow, type Told } from './row.ts';

/** What arguments are for, in words. */
const TYPE_WORDS: Readonly<Record<string, string>> = {
  scalar: 'a plain number',
  ctx: 'the context',
  map_ptr: 'a map (not a pointer to its value)',
  map_value: 'a value of a map',
  map_key: 'a key of a map',
  fp: 'memory on the stack',
  pkt: 'checked bytes of the packet',
  pkt_meta: "checked bytes of the packet's metadata",
  mem: 'memory of known size',
  ringbuf_mem: 'a ring buffer record',
  buf: 'a buffer',
  sock: 'a full socket',
  sock_common: 'a socket',
  tcp_sock: 'a TCP socket',
  xdp_sock: 'an XDP socket',
  func: 'a function of the program',
  dynptr_ptr: 'a dynptr',
  trusted_ptr_: 'a kernel object the kernel vouches for',
  ptr_: 'a kernel object',
  rcu_ptr_: 'a kernel object inside an RCU section',
  percpu_ptr_: 'a per-CPU kernel object',
  percpu_rcu_ptr_: 'a per-CPU kernel object inside an RCU section',
  percpu_trusted_ptr_: 'a trusted per-CPU kernel object',
};

const joined = (words: readonly string[], last: string): string =>
  words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} ${last} ${words.at(-1)}`;

const expectedWords = (expected: string): string =>
  joined([...new Set(expected.split(',').map(type => TYPE_WORDS[type.trim()] ?? type.trim()))], 'or');

const argType: TellRow = c => {
  const regno = c.num(0);
  const expected = c.str(2);
  const held = c.reg(regno);
  const isNull = held !== undefined && held.type === 1 && (held.scalar.maskLo | held.scalar.maskHi) === 0;
  const maybeNull = c.str(1).includes('or_null');
  const callee = calleeOf(c);
  return {
    title: maybeNull
      ? `A pointer that may be NULL is passed to ${callee}()`
      : `${callee}() is given the wrong kind of argument`,
    attempted: `Argument ${regno} of ${callee}() has to be ${expectedWords(expected)}. It is given ${c.regWords(regno)}.`,
    remedies: maybeNull
      ? ['Check it before the call: `if (!ptr) return 0;`.']
      : [
          ...(isNull ? ['Pass a real pointer: this argument may not be NULL.'] : []),
          ...(expected.includes('fp') && c.str(1) === 'scalar'
            ? [
                'If it is an address in kernel or user memory, copy from there into a variable on the stack first (`bpf_probe_read_kernel()`), and pass that.',
              ]
            : []),
          ...(expected === 'ctx'
            ? ['Pass the context as the program got it, in the first argument of its main function.']
            : []),
          'Compare the order of the arguments with the declaration of the helper.',
        ],
    subjects: [reg(regno)],
  };
};

/** Program types whose programs may call a helper. */
function typesAllowing(c: ExplainCase, helperId: number): string[] {
  const { env } = c;
  if (env === undefined) return [];
  const found: string[] = [];
  for (const type of Object.values(bpf_prog_type)) {
    if (type === 0 || type === env.prog.type || found.includes(progTypeName(type))) continue;
    let proto: HelperProto | undefined;
    try {
      proto = progTypeContract(type)?.helperProto(helperId, { ...env.prog, type, rawType: type });
    } catch {
      proto = undefined;
    }
    if (proto !== undefined) found.push(progTypeName(type));
  }
  return found;
}

/** Helpers that do the same for other programs. */
const INSTEAD: Readonly<Record<string, string>> = {
  bpf_probe_read: 'bpf_probe_read_kernel',
  bpf_probe_read_str: 'bpf_probe_read_kernel_str',
  bpf_skb_load_bytes: 'bpf_xdp_load_bytes',
  bpf_skb_store_bytes: 'bpf_xdp_store_bytes',
  bpf_xdp_load_bytes: 'bpf_skb_load_bytes',
  bpf_xdp_store_bytes: 'bpf_skb_store_bytes',
  bpf_xdp_adjust_tail: 'bpf_skb_change_tail',
  bpf_xdp_adjust_head: 'bpf_skb_change_head',
  bpf_get_current_pid_tgid: 'bpf_get_smp_processor_id',
  bpf_trace_printk: 'bpf_perf_event_output',
};

const notForType: TellRow = c => {
  const id = c.num(1);
  const name = c.str(0).startsWith('bpf_') ? c.str(0) : (helperDef(id)?.name ?? c.str(0));
  const types = typesAllowing(c, id);
  const instead = INSTEAD[name];
  const other = instead === undefined ? undefined : helperByName(instead);
  const usable =
    other !== undefined && c.env !== undefined && c.env.contract.helperProto(other.id, c.env.prog) !== undefined;
  return {
    title: `${name}() is not for programs of type ${progTypeName(c.input.type)}`,
    attempted: `Every program type has its own list of helpers. ${name}() is not on that of ${progTypeName(c.input.type)} programs.`,
    remedies: [
      ...(usable ? [`Use \`${instead}()\`, which is for this program type.`] : []),
      types.length === 0
        ? 'No program type may call it in this kernel.'
        : `Do it in a program of a type that may call it: ${joined(types, 'or')}.`,
    ],
  };
};

const CO_RE_POISON = 195896080;

const invalidHelper: TellRow = c => {
  const id = c.num(1);
  if (id === CO_RE_POISON) {
    return {
      title: 'A kernel structure or field that this kernel does not have',
      attempted:
        'The loader could not find a type or field the program refers to (CO-RE), so it put a call of no helper in its place. That only matters because this path is taken.',
      remedies: [
        'Ask before it is used: `if (bpf_core_field_exists(ptr->field))` or `bpf_core_type_exists(struct name)`; the other side is then never looked at.',
        "Check the name: compare with the kernel's types (`bpftool btf dump file /sys/kernel/btf/vmlinux format c`).",
      ],
    };
  }
  if (Math.floor(id / 1_000_000) === 2001 || Math.floor(id / 1_000_000) === 2002) {
    return {
      title: 'A map or kernel function that is not there',
      attempted:
        'The loader could not find a map or kernel function the program refers to, so it put a call of no helper in its place.',
      remedies: ['Test for it first: `if (bpf_ksym_exists(function))`, or create the map (`autocreate`).'],
    };
  }
  const since = helperDef(id)?.since;
  return {
    title: `Helper number ${id} does not exist in this kernel`,
    attempted: `The program calls helper number ${id}${c.str(0) === 'unknown' ? '' : ` (${c.str(0)})`}, which this kernel (${c.options.kernel.version}) does not have.`,
    remedies: [
      since === undefined
        ? 'Check the number: helpers are called by name through `bpf/bpf_helpers.h`.'
        : `It came with Linux ${since}: load the program there, or test for it first (\`bpf_core_enum_value_exists(enum bpf_func_id, …)\`).`,
    ],
  };
};

const gpl: TellRow = c => ({
  title: `${calleeOf(c)}() is for GPL programs only`,
  attempted: `The program's license is not one the kernel takes for compatible with the GPL, and ${calleeOf(c)}() is reserved for those.`,
  remedies: [
    'Declare the license, if it is true: `char LICENSE[] SEC("license") = "GPL";` ("Dual BSD/GPL" and "Dual MIT/GPL" count too).',
    'Without that section there is no license at all.',
  ],
});

const sleeps: TellRow = c => ({
  title: `${calleeOf(c)}() may sleep, and this program may not`,
  attempted:
    'The program is not a sleepable one (or it is inside a lock or RCU section here), but the function it calls may wait for something.',
  remedies: [
    'Make the program sleepable, where its type can be: `SEC("fentry.s/…")`, `lsm.s`, `uprobe.s`, `iter.s`, `syscall`.',
    'Or use a variant that does not sleep: `bpf_probe_read_user()` instead of `bpf_copy_from_user()`.',
  ],
});

const sizeUnbounded: TellRow = c => {
  const regno = c.num(0);
  return {
    title: `The size given to ${calleeOf(c)}() has no upper limit`,
    attempted: `Argument ${regno} says how many bytes to access. It is ${c.regWords(regno)}, and ${memoryOf(c, regno)}.`,
    remedies: [
      'Limit it right before the call, as an unsigned variable: `if (size > sizeof(buffer)) size = sizeof(buffer);`.',
      "Or with a mask, when the buffer's size is a power of two: `size &= sizeof(buffer) - 1;`.",
      'If there is a check and the compiler lost it, keep the value in one variable: `asm volatile("" : "+r"(size));` before the check.',
    ],
    subjects: [reg(regno)],
  };
};

/** What the argument before a size points to. */
function memoryOf(c: ExplainCase, regno: number): string {
  const words = c.regWords(regno - 1);
  return `argument ${regno - 1} is ${words}`;
}

const sizeNegative: TellRow = c => {
  const regno = c.num(0);
  return {
    title: `The size given to ${calleeOf(c)}() may be negative`,
    attempted: `Argument ${regno} says how many bytes to access. It is ${c.regWords(regno)}; a negative number would be an enormous size.`,
    remedies: [
      'Use an unsigned variable for the size, and limit it: `__u32 size = …; if (size > sizeof(buffer)) return 0;`.',
      'Where the size is the result of another helper, check for errors first: `if (n < 0) return 0;`.',
    ],
    subjects: [reg(regno)],
  };
};

const sizeZero: TellRow = c => {
  const regno = c.num(0);
  return {
    title: `The size given to ${calleeOf(c)}() may be 0`,
    attempted: `Argument ${regno} is ${c.regWords(regno)}; this helper takes no size of 0.`,
    remedies: [
      'Leave out the call when there is nothing to do: `if (size == 0) return 0;`, or `if (size < 1 || size > MAX) return 0;`.',
    ],
    subjects: [reg(regno)],
  };
};

const mapFunc: TellRow = c => ({
  title: `${calleeOf(c)}() is not for maps of type ${mapTypeName(c.num(0))}`,
  attempted: `The map passed to ${calleeOf(c)}() is of type ${mapTypeName(c.num(0))}, which it does not work on.`,
  remedies: mapRemedies(mapTypeName(c.num(0))),
  subjects: [reg(1), reg(2)],
});

function mapRemedies(type: string): string[] {
  switch (type) {
    case 'prog_array':
      return ['Programs in it can only be jumped to: `bpf_tail_call(ctx, &map, index)`.'];
    case 'perf_event_array':
      return ['Write to it with `bpf_perf_event_output(ctx, &map, BPF_F_CURRENT_CPU, data, size)`.'];
    case 'ringbuf':
      return ['Write to it with `bpf_ringbuf_reserve()` and `bpf_ringbuf_submit()`, or `bpf_ringbuf_output()`.'];
    case 'devmap':
    case 'devmap_hash':
    case 'cpumap':
    case 'xskmap':
      return ['Redirect through it: `bpf_redirect_map(&map, key, flags)`.'];
    case 'queue':
    case 'stack':
      return ['Use `bpf_map_push_elem()`, `bpf_map_pop_elem()` and `bpf_map_peek_elem()`.'];
    default:
      return [
        'Use the helper made for this type of map, or a map of another type (`BPF_MAP_TYPE_HASH`, `BPF_MAP_TYPE_ARRAY`).',
      ];
  }
}

const argWrites: TellRow = c => ({
  title: `${c.str(0)}() would write into read-only memory`,
  attempted: `Argument ${c.num(1)} of ${c.str(0)}() is written to. It is ${c.regWords(c.num(1))}.`,
  remedies: ['Copy the data into a variable on the stack and pass that.'],
  subjects: [reg(c.num(1))],
});

const possiblyNull = (regno: (c: ExplainCase) => number): TellRow => {
  return (c): Told => ({
    title: `A pointer that may be NULL is passed to ${calleeOf(c)}()`,
    attempted: `Argument ${regno(c)} of ${calleeOf(c)}() must not be NULL. It is ${c.regWords(regno(c))}.`,
    remedies: ['Check it before the call: `if (!ptr) return 0;`.'],
    subjects: [reg(regno(c))],
  });
};

const callLocked: TellRow = c => ({
  title: 'A call while a spin lock is held',
  attempted: `Between bpf_spin_lock() and bpf_spin_unlock() nothing may be called; here it is ${calleeOf(c)}().`,
  remedies: [
    'Move the call before the lock or after it. Keep results in local variables: `v = x; bpf_spin_unlock(&l); use(v);`.',
  ],
});

const notConst: TellRow = c => ({
  title: `${calleeOf(c)}() needs a size that is a constant`,
  attempted: `Argument ${c.num(0)} has to be known when the program is loaded. It is ${c.regWords(c.num(0))}.`,
  remedies: [
    'Pass a constant: `sizeof(struct event)`. For data of varying size reserve the largest, or use `bpf_ringbuf_output()` or a dynptr.',
  ],
  subjects: [reg(c.num(0))],
});

const constString =
  (why: string): TellRow =>
  c => ({
    title: 'The format string is not a constant',
    attempted: `${calleeOf(c)}() needs a string that cannot change: ${why}.`,
    remedies: ['Keep it in constant memory: `static const char fmt[] = "…";`, which the compiler puts into .rodata.'],
    ...(c.num(0) > 0 ? { subjects: [reg(c.num(0))] } : {}),
  });

const argPacket: TellRow = c => ({
  title: `${calleeOf(c)}() takes no packet memory here`,
  attempted:
    'A pointer into the packet is passed, but this helper (in this type of program) does not access packets directly.',
  remedies: [
    `Copy the bytes to the stack first and pass that: \`bpf_xdp_load_bytes()\`, \`bpf_skb_load_bytes()\`, or a plain assignment of ${bytesWords(8)} or less.`,
  ],
});

const globalArgs: TellRow = c => {
  const said = c.argsOf('argNotScalar') ?? c.argsOf('argNotArena');
  const arg = c.argsOf('argNotCtx') ?? c.argsOf('argMaybeNull');
  const regno = said !== undefined ? Number(said[0]) : arg !== undefined ? Number(arg[0]) + 1 : undefined;
  const held = regno === undefined ? '' : ` Argument ${regno} is ${c.regWords(regno)}.`;
  return {
    title: `${c.str(1)}() is given an argument that does not fit its declaration`,
    attempted: `Functions that are not static are verified on their own, for what their declaration says of the arguments, so every call has to keep to that.${held}`,
    remedies: [
      'Declare what is really passed: numbers as integers, memory as a pointer to a type of its size, which the function checks for NULL, the context as its own type.',
      'Or make the function `static`: then it is verified together with its callers.',
    ],
    subjects: regno === undefined ? [] : [reg(regno)],
  };
};

const wrongLock: TellRow = () => ({
  title: 'Another lock is released than the one that is held',
  attempted:
    'bpf_spin_unlock() is given the lock of another map value (or of another look-up) than bpf_spin_lock() was.',
  remedies: [
    'Keep the pointer of the value that was locked, and unlock through that one. Two look-ups of the same key count as different values.',
  ],
  subjects: [reg(1)],
});

const twoLocks: TellRow = () => ({
  title: 'A second spin lock is taken while one is held',
  attempted: 'A program may hold one bpf_spin_lock at a time.',
  remedies: ['Unlock the first one before the second is locked; copy what is needed of the first value.'],
  subjects: [reg(1)],
});

export const CALL_ROWS = {
  globalBadArgs: globalArgs,
  unlockOther: wrongLock,
  unlockNone: wrongLock,
  lockTwo: twoLocks,
  argRegType: argType,
  memArgType: argType,
  helperNotForType: notForType,
  helperInvalid: invalidHelper,
  helperGpl: gpl,
  kfuncLicense: gpl,
  helperSleeps: sleeps,
  helperSleepsRcu: sleeps,
  helperSleepsPreempt: sleeps,
  kfuncNotSleepable: sleeps,
  memArgSizeUnbounded: sizeUnbounded,
  memArgSizeNegative: sizeNegative,
  memArgSizeZero: sizeZero,
  mapFunc,
  argMayWrite: argWrites,
  argPossiblyNull: possiblyNull(c => c.num(0)),
  kfuncArgNull: possiblyNull(c => c.num(0) + 1),
  callLocked,
  argNotConst: notConst,
  strNotReadonly: constString('it may not lie in a map or on the stack'),
  strNotConst: constString('its address has to be known'),
  argPacket,
} satisfies Record<string, TellRow>;
