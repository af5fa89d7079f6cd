import {
  baseType,
  CONST_PTR_TO_DYNPTR,
  CONST_PTR_TO_MAP,
  MEM_ALLOC,
  MEM_PERCPU,
  MEM_RCU,
  MEM_RDONLY,
  MEM_RINGBUF,
  MEM_USER,
  NOT_INIT,
  PTR_MAYBE_NULL,
  PTR_TO_ARENA,
  PTR_TO_BTF_ID,
  PTR_TO_BUF,
  PTR_TO_CTX,
  PTR_TO_FLOW_KEYS,
  PTR_TO_FUNC,
  PTR_TO_MAP_KEY,
  PTR_TO_MAP_VALUE,
  PTR_TO_MEM,
  PTR_TO_PACKET,
  PTR_TO_PACKET_END,
  PTR_TO_PACKET_META,
  PTR_TO_SOCK_COMMON,
  PTR_TO_SOCKET,
  PTR_TO_STACK,
  PTR_TO_TCP_SOCK,
  PTR_TO_TP_BUFFER,
  PTR_TO_XDP_SOCK,
  PTR_TRUSTED,
  PTR_UNTRUSTED,
  SCALAR_VALUE,
} from '../../helpers/index.ts';
import { i64Of } from '../../util/index.ts';
import { tnumIsConst } from '../domain/index.ts';
import type { VerifierMap } from '../input.ts';
import { iterTypeStr } from '../print/reg-type-text.ts';
import { regText } from '../print/state-text.ts';
import { AT_PKT_END, BEYOND_PKT_END, BPF_ITER_STATE_DRAINED, type RegState } from '../state/reg.ts';
import {
  STACK_DYNPTR,
  STACK_INVALID,
  STACK_ITER,
  STACK_MISC,
  STACK_SPILL,
  STACK_ZERO,
  slotTypeOf,
} from '../state/stack.ts';
import type { Held } from './held.ts';
import { numberText, numberWords, rangeOf } from './number-words.ts';
import type { ValueView } from './types.ts';

const bytes = (n: number): string => (n === 1 ? '1 byte' : `${n} bytes`);

/** `value of map counters`, `the program's global variables`. */
export function mapValueWords(map: VerifierMap | undefined): string {
  if (map === undefined) return 'a map value';
  const section = /\.(bss|data|rodata|kconfig)(\..*)?$/.exec(map.name);
  if (section !== null) return `the global variables in .${section[1]}${section[2] ?? ''} (${bytes(map.valueSize)})`;
  return `a value of map ${map.name} (${bytes(map.valueSize)})`;
}

/** ` at offset 4`, ` at offset 4 plus 0 to 255`; '' at the beginning. */
function offsetWords({ off, scalar }: Held): string {
  if (tnumIsConst(scalar)) {
    const total = BigInt(off) + i64Of(scalar.valueHi, scalar.valueLo);
    return total === 0n ? '' : ` at offset ${total}`;
  }
  const { min, max, unknown } = rangeOf(scalar);
  if (unknown) return ' at an offset without known limits';
  return ` at an offset from ${numberText(min + BigInt(off))} to ${numberText(max + BigInt(off))}`;
}

/** What a packet pointer is known to have before it. */
function packetWords(held: Held, what: string): string {
  const { range } = held.info;
  if (range === AT_PKT_END) return `a pointer to exactly the end of ${what}`;
  if (range === BEYOND_PKT_END) return `a pointer past the end of ${what}`;
  const where = offsetWords(held);
  const base = where === '' ? `a pointer to the start of ${what}` : `a pointer into ${what}${where}`;
  const from = tnumIsConst(held.scalar) ? `of ${what}` : 'after the variable offset';
  if (range <= 0) return `${base}, nothing of which is checked against the end`;
  return `${base}; the first ${bytes(range)} ${from} are checked`;
}

function structWords(held: Held): string {
  const { info, type } = held;
  let name = '';
  try {
    if (info.btf !== undefined && info.btfId !== 0) name = info.btf.nameOf(info.btfId);
  } catch {
    name = '';
  }
  const what = name === '' ? 'a kernel structure' : `struct ${name}`;
  if (held.refObjId !== 0 && (type & MEM_ALLOC) === 0)
    return `${what}, of which the program has a reference to give back`;
  if ((type & MEM_ALLOC) !== 0) return `an object of the program's own, ${what}`;
  if ((type & PTR_TRUSTED) !== 0) return `${what}, which the kernel vouches for`;
  if ((type & MEM_RCU) !== 0) return `${what}, valid inside this RCU section`;
  if ((type & MEM_PERCPU) !== 0) return `per-CPU ${what}`;
  if ((type & MEM_USER) !== 0) return `${what} in user space`;
  if ((type & PTR_UNTRUSTED) !== 0) return `${what}, which may be gone (untrusted)`;
  return `${what}, read-only and not vouched for`;
}

function pointerWords(held: Held, ctxName: string): string {
  const { type, info } = held;
  const at = offsetWords(held);
  switch (baseType(type)) {
    case PTR_TO_CTX:
      return at === ''
        ? `the context pointer (${ctxName})`
        : `the context pointer (${ctxName}) moved${at.replace(' at ', ' to ')}`;
    case CONST_PTR_TO_MAP:
      return `the map ${info.map?.name ?? ''}`.trim();
    case PTR_TO_MAP_VALUE:
      return `a pointer to ${mapValueWords(info.map)}${at}`;
    case PTR_TO_MAP_KEY:
      return `a pointer to a key of map ${info.map?.name ?? ''}${at}`;
    case PTR_TO_STACK: {
      if (!tnumIsConst(held.scalar)) return `the address of a stack byte${at}`;
      const total = BigInt(held.off) + i64Of(held.scalar.valueHi, held.scalar.valueLo);
      if (total === 0n) return 'the top of the stack';
      return total < 0n
        ? `the address ${bytes(Number(-total))} below the top of the stack`
        : `an address ${bytes(Number(total))} above the top of the stack`;
    }
    case PTR_TO_PACKET:
      return packetWords(held, 'the packet');
    case PTR_TO_PACKET_META:
      return packetWords(held, "the packet's metadata");
    case PTR_TO_PACKET_END:
      return 'the end of the packet';
    case PTR_TO_FLOW_KEYS:
      return `a pointer to the flow keys${at}`;
    case PTR_TO_SOCKET:
      return 'a pointer to a full socket (struct bpf_sock)';
    case PTR_TO_SOCK_COMMON:
      return 'a pointer to the common part of a socket (struct bpf_sock)';
    case PTR_TO_TCP_SOCK:
      return 'a pointer to a TCP socket (struct bpf_tcp_sock)';
    case PTR_TO_XDP_SOCK:
      return 'a pointer to an XDP socket (struct bpf_xdp_sock)';
    case PTR_TO_TP_BUFFER:
      return `a pointer to the tracepoint's data${at}`;
    case PTR_TO_BTF_ID:
      return at === ''
        ? `a pointer to ${structWords(held)}`
        : `a pointer${at.replace(' at ', ' to ')} of ${structWords(held)}`;
    case PTR_TO_MEM: {
      const kind =
        (type & MEM_RINGBUF) !== 0 ? 'a ring buffer record' : (type & MEM_RDONLY) !== 0 ? 'read-only memory' : 'memory';
      return `a pointer to ${kind} of ${bytes(info.memSize)}${at}`;
    }
    case PTR_TO_ARENA:
      return 'a pointer into the arena';
    case PTR_TO_BUF:
      return `a pointer to a ${(type & MEM_RDONLY) !== 0 ? 'read-only ' : ''}buffer${at}`;
    case PTR_TO_FUNC:
      return 'the address of a function of the program';
    case CONST_PTR_TO_DYNPTR:
      return 'a pointer to a dynptr (a checked view of memory)';
    default:
      return 'a pointer';
  }
}

/** The word a reader would use for what a pointer points to: `the packet`, `map counters`. */
export function targetWords(held: Held): string {
  const { info, type } = held;
  switch (baseType(type)) {
    case PTR_TO_CTX:
      return 'the context';
    case PTR_TO_MAP_VALUE:
      return mapValueWords(info.map);
    case PTR_TO_MAP_KEY:
      return `the key of map ${info.map?.name ?? ''}`;
    case PTR_TO_STACK:
      return 'the stack';
    case PTR_TO_PACKET:
      return 'the packet';
    case PTR_TO_PACKET_META:
      return "the packet's metadata";
    case PTR_TO_BTF_ID:
      return structWords(held).replace(/,.*/, '');
    case PTR_TO_MEM:
      return (type & MEM_RINGBUF) !== 0 ? 'the ring buffer record' : `memory of ${bytes(info.memSize)}`;
    case CONST_PTR_TO_MAP:
      return `the map ${info.map?.name ?? ''}`;
    case SCALAR_VALUE:
      return 'an address that is only a number';
    default:
      return 'memory';
  }
}

/** What a register held, in words. */
export function heldWords(held: Held, ctxName: string): string {
  const { type } = held;
  if (type === NOT_INIT) return 'nothing: it was never written on this path';
  if (type === SCALAR_VALUE) return numberWords(held.scalar);
  const text = pointerWords(held, ctxName);
  return (type & PTR_MAYBE_NULL) !== 0 ? `${text}, or NULL` : text;
}

const SLOT_WORDS: Readonly<Record<number, string>> = {
  [STACK_INVALID]: 'not written',
  [STACK_MISC]: 'data nobody keeps track of',
  [STACK_ZERO]: 'zero',
};

/** What 8 bytes of a stack held, in words. */
export function slotWords(held: Held, ctxName: string): string {
  const slot = held as unknown as RegState;
  switch (slotTypeOf(slot, 7)) {
    case STACK_SPILL:
      return heldWords(held, ctxName);
    case STACK_DYNPTR:
      return 'part of a dynptr (a checked view of memory)';
    case STACK_ITER:
      return held.info.iterState === BPF_ITER_STATE_DRAINED
        ? 'an iterator that has come to its end'
        : `an iterator (bpf_iter_${iterTypeStr(held.info.btf, held.info.btfId)})`;
    default: {
      const kinds = new Set(Array.from({ length: 8 }, (_, i) => slotTypeOf(slot, i)));
      if (kinds.size === 1) return SLOT_WORDS[[...kinds][0]] ?? 'data';
      const unwritten = Array.from({ length: 8 }, (_, i) => i).filter(i => slotTypeOf(slot, i) === STACK_INVALID);
      if (unwritten.length === 0) return 'data nobody keeps track of';
      return `${8 - unwritten.length} bytes written, ${unwritten.length} not`;
    }
  }
}

const isSpilled = (held: Held): boolean =>
  held.slotTypes !== 0 && slotTypeOf(held as unknown as RegState, 7) === STACK_SPILL;

/** A view of what a register or slot held. */
export function viewOf(held: Held, slot: boolean, ctxName: string): ValueView {
  const asReg = !slot || isSpilled(held);
  const text = slot ? slotWords(held, ctxName) : heldWords(held, ctxName);
  if (!asReg || held.type === NOT_INIT)
    return { kind: slot && held.slotTypes !== 0 ? 'number' : 'nothing', text, verifier: '' };
  const reg = held as unknown as RegState;
  const frame = { frameno: held.frameno } as Parameters<typeof regText>[0];
  const { min, max, unknown } = rangeOf(held.scalar);
  const limits = unknown ? {} : { min: String(min), max: String(max) };
  return {
    kind: held.type === SCALAR_VALUE ? 'number' : 'pointer',
    text,
    verifier: regText(frame, reg),
    ...limits,
    ...((held.type & PTR_MAYBE_NULL) !== 0 ? { maybeNull: true } : {}),
  };
}
