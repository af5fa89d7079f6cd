import { type Btf, openBtf } from '../../src/btf/index.ts';
import { openElf } from '../../src/elf/index.ts';
import { CALL, EXIT, type Insn, LD_IMM64, makeInsn } from '../../src/isa/index.ts';
import { prepareObject } from '../../src/machine/index.ts';
import { openObject } from '../../src/object/index.ts';
import { FarcallError } from '../../src/util/index.ts';
import {
  type InfoTable,
  type VerifierKernel,
  type VerifierMap,
  type VerifyInput,
  type VerifyOptions,
  verify,
} from '../../src/verifier/index.ts';
import { mutate } from './mutate.ts';
import { generateProgram } from './program-generator.ts';
import type { Random } from './random.ts';
import { typedProgram } from './typed-programs.ts';
import { verifyInputOf } from './verify-input.ts';

/** Programs to damage, and the kernel that judges them. */
export interface VerifierSeeds {
  readonly kernel: VerifierKernel;
  readonly objects: readonly Uint8Array[];
  /** Raw BTF of the objects. */
  readonly btfs: readonly Uint8Array[];
  readonly inputs: readonly VerifyInput[];
}

const prepareOptions = ({ btf, image }: VerifierKernel) => ({
  kernelBtf: btf,
  image,
  kconfig: { kernelVersion: 0x060c6b },
});

/** The programs of objects, as they would be loaded. */
export function verifierSeeds(kernel: VerifierKernel, objects: readonly Uint8Array[]): VerifierSeeds {
  const inputs: VerifyInput[] = [];
  const btfs: Uint8Array[] = [];
  for (const bytes of objects) {
    const prepared = prepareObject(openObject(bytes, { name: 'seed.o' }), prepareOptions(kernel));
    for (const program of prepared.spec.programs) {
      const { input } = prepared.prepare(program);
      if (input !== undefined) inputs.push(input);
    }
    const btf = openElf(bytes).sectionByName('.BTF')?.data;
    if (btf !== undefined) btfs.push(btf);
  }
  return { kernel, objects, btfs, inputs };
}

const verdictOf = (input: VerifyInput, options: VerifyOptions): string => {
  const verdict = verify(input, options);
  if (verdict.ok) return 'accepted';
  if (verdict.errno <= 0) throw new Error(`refused with errno ${verdict.errno}`);
  return `refused in ${verdict.stage}`;
};

/** A verdict, by the stage that decided it, or the code of the FarcallError; anything else is thrown on. */
function outcomeOf(body: () => string): string {
  try {
    return body();
  } catch (error) {
    if (error instanceof FarcallError) return error.code;
    throw error;
  }
}

/** The edges of what fields mean: sizes, offsets, ids, counts. */
const WORDS = [0, 1, 2, 3, 4, 7, 8, 12, 16, 31, 32, 63, 64, 255, 256, 511, 512, 4095, 4096, 0xffff, 0x10000, 1 << 20];

const anyWord = (r: Random): number => (r.chance(60) ? r.pick(WORDS) : r.chance(50) ? r.below(200) : r.edgeI32());

/** Every code of the instruction set that is worth trying, and some that do not exist. */
const CODES: readonly number[] = [
  ...[0x07, 0x0f, 0x17, 0x1f, 0x27, 0x2f, 0x37, 0x3f, 0x47, 0x4f, 0x57, 0x5f, 0x67, 0x6f, 0x77, 0x7f, 0x87, 0x97, 0x9f],
  ...[0xa7, 0xaf, 0xb7, 0xbf, 0xc7, 0xcf, 0x04, 0x0c, 0x14, 0x1c, 0x54, 0x5c, 0x64, 0x6c, 0x84, 0xb4, 0xbc, 0xc4, 0xdc],
  ...[0x05, 0x06, 0x15, 0x1d, 0x16, 0x1e, 0x25, 0x2d, 0x35, 0x3d, 0x45, 0x4d, 0x55, 0x5d, 0x65, 0x6d, 0x75, 0x7d, 0x85],
  ...[0x95, 0xa5, 0xad, 0xb5, 0xbd, 0xc5, 0xcd, 0xd5, 0xdd, 0xe5, 0x8d, 0x26, 0x2e, 0xa6, 0xae, 0xc6, 0xce, 0xd7, 0xd4],
  ...[0x18, 0x20, 0x28, 0x30, 0x40, 0x48, 0x50, 0x61, 0x69, 0x71, 0x79, 0x81, 0x89, 0x91, 0x62, 0x6a, 0x72, 0x7a, 0x63],
  ...[0x6b, 0x73, 0x7b, 0xc3, 0xdb, 0xcb, 0x00, 0xff, 0x99, 0x38],
];
const ATOMICS = [0, 1, 0x40, 0x41, 0x50, 0x51, 0xa0, 0xa1, 0xe1, 0xf1, 0x100, 0x110];
const HELPERS_MOST = 213;

type InsnDamage = (insns: Insn[], at: number, r: Random, seeds: VerifierSeeds) => void;

/** A slice of another program, put over or into this one. */
const splice: InsnDamage = (insns, at, r, { inputs }) => {
  const other = r.pick(inputs).insns;
  const from = r.below(other.length);
  const part = other.slice(from, from + r.between(1, 12));
  insns.splice(at, r.chance(50) ? part.length : 0, ...part);
};

const change =
  (fields: (insn: Insn, r: Random, seeds: VerifierSeeds) => Partial<Insn>): InsnDamage =>
  (insns, at, r, seeds) => {
    const { code, dst, src, off, imm } = { ...insns[at], ...fields(insns[at], r, seeds) };
    insns[at] = makeInsn(code, dst, src, off, imm);
  };

const callOther = change(({ src }, r, { kernel }) => {
  if (src === 2) return { imm: r.below(kernel.btf?.typeCount ?? 1), off: r.chance(90) ? 0 : r.below(4) };
  return src === 1 ? { imm: r.between(-30, 30) } : { imm: r.between(1, HELPERS_MOST) };
});

const INSN_DAMAGES: readonly InsnDamage[] = [
  change((insn, r, seeds) => ({
    imm:
      insn.code === CALL
        ? r.between(1, HELPERS_MOST)
        : insn.code === LD_IMM64 && r.chance(50)
          ? r.below(seeds.kernel.btf?.typeCount ?? 1)
          : anyWord(r),
  })),
  change((_, r) => ({ imm: anyWord(r) })),
  change((_, r) => ({ off: r.chance(70) ? r.between(-12, 12) : anyWord(r) })),
  change((_, r) => ({ off: r.between(-12, 12) * 8 })),
  change((_, r) => ({ dst: r.below(r.chance(95) ? 11 : 16) })),
  change((_, r) => ({ src: r.below(r.chance(95) ? 11 : 16) })),
  change((_, r) => ({ code: r.chance(95) ? r.pick(CODES) : r.below(256) })),
  change((_, r) => ({ code: r.pick(CODES), dst: r.below(11), src: r.below(11), off: r.between(-16, 16) })),
  change((_, r) => ({ code: r.pick([0xc3, 0xdb]), imm: r.pick(ATOMICS) })),
  change((_, r) => ({ code: CALL, dst: 0, src: r.pick([0, 0, 1, 2]), off: 0, imm: r.between(1, HELPERS_MOST) })),
  callOther,
  (insns, at, r) => void insns.splice(at, r.between(1, 3)),
  (insns, at, r) => void insns.splice(at, 0, ...insns.slice(at, at + r.between(1, 4))),
  (insns, at, r) => void insns.splice(r.below(insns.length), 0, insns[at]),
  (insns, at, r) => {
    const other = r.below(insns.length);
    [insns[at], insns[other]] = [insns[other], insns[at]];
  },
  (insns, at) => void insns.splice(at, 0, makeInsn(EXIT, 0, 0, 0, 0)),
  (insns, at, r) => void insns.splice(at + r.between(1, 3)),
  splice,
  splice,
];

const isJump = (code: number): boolean => ((code & 7) === 5 || (code & 7) === 6) && ![CALL, EXIT, 0x8d].includes(code);

/** Takes back what any kernel refuses at first sight: jumps out of the program, fields that must be zero. */
function repair(insns: Insn[], r: Random): void {
  for (let at = 0; at < insns.length; at++) {
    const insn = insns[at];
    let { dst, src, off, imm } = insn;
    const { code } = insn;
    const kind = code & 7;
    if (isJump(code)) {
      const far = code === 0x06;
      const target = at + 1 + (far ? imm : off);
      if (target < 0 || target >= insns.length) {
        const to = r.below(insns.length) - at - 1;
        if (far) imm = to;
        else off = to;
      }
      if (code === 0xe5) [dst, src, imm] = [0, 0, 0];
      else if ((code & 8) === 0) src = 0;
      else imm = 0;
    } else if (kind === 4 || kind === 7) {
      if ((code & 0xf0) === 0x80) [src, imm] = [0, 0];
      else if ((code & 8) === 0) src = 0;
      else imm = 0;
      if (![0x30, 0x90, 0xb0].includes(code & 0xf0)) off = 0;
    } else if (kind === 1) imm = 0;
    else if (kind === 2) src = 0;
    else if (kind === 3 && (code & 0xe0) === 0x60) imm = 0;
    else if (code === EXIT) [dst, src, off, imm] = [0, 0, 0, 0];
    else if (code === CALL) {
      [dst, off] = [0, 0];
      src %= 3;
      if (src === 1 && (at + 1 + imm < 0 || at + 1 + imm >= insns.length)) imm = r.below(insns.length) - at - 1;
    } else if (code === LD_IMM64) {
      if (insns[at + 1]?.code !== 0) insns.splice(at + 1, 0, makeInsn(0, 0, 0, 0, 0));
      if (off !== 0) off = 0;
      at++;
      insns[at - 1] = makeInsn(code, Math.min(dst, 9), src, off, imm);
      continue;
    }
    insns[at] = makeInsn(code, dst > 10 ? 1 : dst, src > 10 ? 1 : src, off, imm);
  }
  const last = insns.at(-1)?.code;
  if (last !== EXIT && last !== 0x05) insns.push(makeInsn(0xb7, 0, 0, 0, 0), makeInsn(EXIT, 0, 0, 0, 0));
}

/** Instructions of a sound program with one to eight damages. */
export function damageInsns(insns: readonly Insn[], r: Random, seeds: VerifierSeeds): Insn[] {
  const out = [...insns];
  for (let n = r.pick([1, 1, 1, 1, 2, 2, 3, 8]); n > 0 && out.length > 0; n--) {
    r.pick(INSN_DAMAGES)(out, r.below(out.length), r, seeds);
  }
  if (r.chance(80) && out.length > 0) repair(out, r);
  return out;
}

const damageTable = (table: InfoTable | undefined, size: number, r: Random): InfoTable => {
  const { recSizeBytes, count, words } = table ?? { recSizeBytes: size, count: 1, words: new Uint32Array(size >> 2) };
  const out = words.slice();
  for (let n = r.below(4); n > 0 && out.length > 0; n--) out[r.below(out.length)] = anyWord(r) >>> 0;
  if (r.chance(70)) return { recSizeBytes, count, words: out };
  return {
    recSizeBytes: r.chance(50) ? recSizeBytes : anyWord(r) >>> 0,
    count: r.chance(50) ? count : anyWord(r) >>> 0,
    words: r.chance(50) ? out : out.subarray(0, r.below(out.length + 1)),
  };
};

const damageMap = (map: VerifierMap | undefined, r: Random): VerifierMap | undefined => {
  if (map === undefined || r.chance(3)) return undefined;
  const changes: readonly (() => Partial<VerifierMap>)[] = [
    () => ({ type: r.below(36) }),
    () => ({ keySize: anyWord(r) >>> 0 }),
    () => ({ valueSize: anyWord(r) >>> 0 }),
    () => ({ maxEntries: anyWord(r) >>> 0 }),
    () => ({ flags: r.chance(50) ? 1 << r.below(20) : r.u32() }),
    () => ({ valueTypeId: r.below(map.btf?.typeCount ?? 9), keyTypeId: r.below(map.btf?.typeCount ?? 9) }),
    () => ({ btf: undefined }),
    () => ({ record: undefined }),
    () => ({ inner: r.chance(50) ? map : undefined }),
    () => ({ frozen: !map.frozen, data: r.chance(50) ? r.bytes(r.below(64)) : map.data }),
    () => ({ unprivileged: r.chance(50) }),
  ];
  return { ...map, ...r.pick(changes)(), ...r.pick(changes)() };
};

/** Words of a type behind its three common ones: for it alone, for each of its items. */
const EXTRA_WORDS: Readonly<Record<number, readonly [own: number, each: number]>> = {
  1: [1, 0],
  3: [3, 0],
  4: [0, 3],
  5: [0, 3],
  6: [0, 2],
  13: [0, 2],
  14: [1, 0],
  15: [0, 3],
  17: [1, 0],
  19: [0, 3],
};

/** BTF in which types refer to other types than they did, or are of other kinds: loops, functions as members, tags of tags. */
function rewireBtf(bytes: Uint8Array, r: Random): Uint8Array {
  const out = bytes.slice();
  const view = new DataView(out.buffer, out.byteOffset, out.byteLength);
  const start = view.getUint32(4, true) + view.getUint32(8, true);
  const end = start + view.getUint32(12, true);
  const types: number[] = [];
  for (let at = start; at + 12 <= end && at + 12 <= out.length; ) {
    types.push(at);
    const info = view.getUint32(at + 4, true);
    const [own, each] = EXTRA_WORDS[(info >>> 24) & 31] ?? [0, 0];
    at += 12 + 4 * (own + each * (info & 0xffff));
  }
  for (let n = r.pick([1, 2, 4, 16]); n > 0 && types.length > 0; n--) {
    const i = r.below(types.length);
    const at = types[i];
    // Near ids make loops.
    const id = r.chance(60) ? Math.min(types.length, Math.max(0, i + 1 + r.between(-3, 3))) : r.below(types.length + 1);
    const length = ((types[i + 1] ?? end) - at) >> 2;
    const kind = view.getUint8(at + 7);
    if (r.chance(20) && length === 3) view.setUint8(at + 7, r.pick([2, 7, 8, 9, 10, 11, 12, 18]));
    else if (length > 3 && r.chance(60) && at + length * 4 <= end) {
      view.setUint32(at + 4 * r.between(3, length - 1), r.chance(70) ? id : anyWord(r), true);
    } else if (![1, 4, 5, 6, 15, 16, 19].includes(kind & 31) || r.chance(20)) view.setUint32(at + 8, id, true);
  }
  return out;
}

/** BTF with other bytes; what cannot be opened stays as it was. */
function damageBtf(btf: Btf | undefined, r: Random, { btfs }: VerifierSeeds): Btf | undefined {
  if (r.chance(5)) return undefined;
  const bytes = r.chance(90) && btf !== undefined ? btf.bytes : r.pick(btfs);
  for (let tries = 0; tries < 3; tries++) {
    try {
      return openBtf(r.chance(60) ? rewireBtf(bytes, r) : mutate(bytes, r));
    } catch (error) {
      if (!(error instanceof FarcallError)) throw error;
    }
  }
  return btf;
}

type InputDamage = (input: VerifyInput, r: Random, seeds: VerifierSeeds) => Partial<VerifyInput>;
const INPUT_DAMAGES: readonly InputDamage[] = [
  (_, r) => ({ type: r.below(35) }),
  (_, r) => ({ type: r.below(35), attachType: r.below(60) }),
  (_, r) => ({ attachType: r.chance(90) ? r.below(60) : anyWord(r) >>> 0 }),
  (_, r) => ({ flags: 1 << r.below(10) }),
  (_, r) => ({ flags: r.u32() }),
  (_, r) => ({ gplCompatible: r.chance(50) }),
  (_, r, { kernel }) => ({ attachBtfId: r.chance(90) ? r.below(kernel.btf?.typeCount ?? 1) : r.u32() }),
  (_, r, { kernel }) => ({
    type: r.pick([26, 27, 28, 29]),
    attachType: r.pick([23, 24, 25, 26, 27, 28, 44]),
    attachBtfId: r.below(kernel.btf?.typeCount ?? 1),
  }),
  ({ funcInfo }, r) => ({ funcInfo: damageTable(funcInfo, 8, r) }),
  ({ lineInfo }, r) => ({ lineInfo: damageTable(lineInfo, 16, r) }),
  ({ coreRelos }, r) => ({ coreRelos: damageTable(coreRelos, 16, r) }),
  ({ btf }, r, seeds) => ({ btf: damageBtf(btf, r, seeds) }),
  ({ btf, funcInfo }, r, seeds) => ({ btf: damageBtf(btf, r, seeds), funcInfo: damageTable(funcInfo, 8, r) }),
  ({ maps }, r) => ({ maps: maps.map(map => (r.chance(60) ? damageMap(map, r) : map)) }),
  ({ maps }, r) => ({ maps: r.chance(50) ? maps.slice(0, r.below(maps.length + 1)) : [...maps, ...maps, ...maps] }),
  ({ maps }, r, { inputs }) => ({ maps: [...r.pick(inputs).maps, ...maps] }),
];

const LOGGED_INSNS = 2000;

/** Options a caller may choose, at random. */
export function anyOptions(kernel: VerifierKernel, r: Random): VerifyOptions {
  const some = (percent: number): boolean => r.chance(percent);
  const logLevel = some(85) ? 0 : r.pick([1, 2, 4, 7]);
  return {
    kernel: some(97) ? kernel : { ...kernel, btf: undefined },
    logLevel,
    // Every instruction's line of a million is no matter of milliseconds.
    insnLimit: logLevel === 0 ? undefined : LOGGED_INSNS,
    logSizeBytes: some(90) ? undefined : r.pick([1, 128, 4096, 1 << 20]),
    mitigations: some(50),
    jitRequested: some(90),
    caps: some(80) ? undefined : { bpf: some(50), perfmon: some(50), netAdmin: some(50), sysAdmin: some(50) },
  };
}

/** One program of the seeds or of the generators, damaged in its instructions, in what is said of it, or in both. */
export function damagedInput(r: Random, seeds: VerifierSeeds, what: 'insns' | 'fields' | 'both'): VerifyInput {
  const source = r.below(10);
  let input: VerifyInput;
  if (source < 6) input = r.pick(seeds.inputs);
  else if (source < 9) input = verifyInputOf(typedProgram(r.u32(), { unprivileged: r.chance(20) }));
  else input = { ...r.pick(seeds.inputs), insns: generateProgram(r.u32()).insns };
  if (what !== 'insns') {
    for (let n = r.pick([1, 1, 2, 3]); n > 0; n--) input = { ...input, ...r.pick(INPUT_DAMAGES)(input, r, seeds) };
  }
  if (what === 'fields') return input;
  const insns = damageInsns(input.insns, r, seeds);
  // What is said of the instructions would not fit any more.
  if (insns.length === input.insns.length || r.chance(20)) return { ...input, insns };
  return { ...input, insns, funcInfo: undefined, lineInfo: undefined };
}

export const fuzzVerify = (input: VerifyInput, options: VerifyOptions): string =>
  outcomeOf(() => verdictOf(input, options));

/** Opens a damaged object, prepares it for a kernel and verifies its programs: the outcome of the first that is refused, or of the last. */
export function fuzzPrepared(
  bytes: Uint8Array,
  kernel: VerifierKernel,
  options: VerifyOptions,
  each: (verify: () => string) => string = verify => verify(),
): string {
  return outcomeOf(() => {
    const prepared = prepareObject(openObject(bytes, { name: 'fuzz.o' }), prepareOptions(kernel));
    if (prepared.problem !== undefined) return `object refused: errno ${prepared.problem.errno}`;
    let outcome = 'no programs';
    for (const program of prepared.spec.programs) {
      const { input, problem } = prepared.prepare(program);
      outcome =
        input === undefined
          ? `program refused: errno ${problem?.errno}`
          : each(() => outcomeOf(() => verdictOf(input, options)));
    }
    return outcome;
  });
}

/** Sections in which damage is worth most: ELF itself is fuzzed elsewhere. */
const AIMS = /^(\.BTF|\.BTF\.ext|\.maps|\.rel.*|\.symtab|\.text|\.struct_ops.*|license|\?)$/;

/** An object with damage, most of it inside the sections that matter to a loader. */
export function damagedObject(bytes: Uint8Array, r: Random): Uint8Array {
  if (r.chance(15)) return mutate(bytes, r);
  const out = bytes.slice();
  const sections = openElf(bytes).sections.filter(
    ({ name, data }) => data.length > 0 && (AIMS.test(name) || r.chance(30)),
  );
  for (let n = r.pick([1, 1, 2, 3]); n > 0 && sections.length > 0; n--) {
    const { name, data } = r.pick(sections);
    const from = data.byteOffset - bytes.byteOffset;
    const before = out.subarray(from, from + data.length);
    const part = name === '.BTF' && data.length > 24 && r.chance(70) ? rewireBtf(before, r) : mutate(before, r);
    out.set(part.subarray(0, data.length), from);
  }
  return out;
}
