import { describe, expect, it } from 'vitest';
import { type Insn, makeInsn } from '../src/isa/index.ts';
import { JitError } from '../src/jit/index.ts';
import { configName, helperImm, OWN_CONFIGS, type OwnConfig, OwnMachine } from './support/ppc64/own-machine.ts';
import { CTX_BYTES, FUEL_OFF, generateFunctions, type OwnFunc } from './support/ppc64/own-programs.ts';
import { OutOfBudget, runReference } from './support/ppc64/own-reference.ts';
import { Random } from './support/random.ts';

// What own mode compiles does what RFC 9669 says: generated functions on the emulated CPU against the obvious evaluator.

const PROGRAMS = Number(process.env.OWN_PROGRAMS ?? 40);
const FIRST_SEED = Number(process.env.OWN_SEED ?? 1);
/** Those that once told of a bug, before any others. */
const SEEDS = [1131, 1994, ...Array.from({ length: PROGRAMS }, (_, n) => FIRST_SEED + n)];
const USER_LIMIT = 0xffff;

const mixed = (count: number, args: readonly bigint[]): bigint =>
  BigInt.asUintN(
    64,
    args.slice(0, count).reduce((sum, arg) => 3n * sum + arg, BigInt(count) * 0x1234567n),
  );

function differences(config: OwnConfig, distance: bigint): string[] {
  const wrong: string[] = [];
  for (const seed of SEEDS) {
    const own = new OwnMachine(config);
    const { machine } = own;
    const helpers = [0, 1, 2, 3, 4, 5].map(count =>
      machine.gate(`mix${count}`, (cpu, out) => {
        const args = [0, 1, 2, 3, 4].map(n => (BigInt(cpu.argHi(n) >>> 0) << 32n) | BigInt(cpu.argLo(n) >>> 0));
        const value = mixed(count, args);
        out[0] = Number(BigInt.asIntN(32, value));
        out[1] = Number(BigInt.asIntN(32, value >> 32n));
      }),
    );
    const helperImms = helpers.map(helperImm);
    const verifierZext = seed % 2 === 0;
    const funcs = generateFunctions(seed, {
      verifierZext,
      helperImms,
      userLimit: USER_LIMIT,
      ctxAddr: BigInt(machine.data),
    });
    const ctx = new Random(seed).bytes(CTX_BYTES);
    new DataView(ctx.buffer).setUint32(FUEL_OFF, 40, config.target.order === 'little');
    const wanted = reference(funcs, ctx, own, helperImms);
    if (wanted === undefined) continue;
    machine.mem.u8.set(ctx, machine.data);
    const placed = own.place(
      funcs.map(func => ({ ...func, verifierZext })),
      distance,
    );
    const value = own.call(placed.funcs[0].bpfFunc, [BigInt(machine.data)]);
    if (value !== wanted.value) wrong.push(`seed ${seed}: ${value} instead of ${wanted.value}`);
    const after = machine.mem.u8.subarray(machine.data, machine.data + CTX_BYTES);
    const differs = wanted.ctx.findIndex((byte, n) => byte !== after[n]);
    if (differs >= 0)
      wrong.push(`seed ${seed}: byte ${differs} is ${after[differs]} instead of ${wanted.ctx[differs]}`);
  }
  return wrong;
}

function reference(
  funcs: readonly OwnFunc[],
  start: Uint8Array,
  own: OwnMachine,
  helperImms: readonly number[],
): { readonly value: bigint; readonly ctx: Uint8Array } | undefined {
  const ctx = start.slice();
  try {
    const value = runReference(funcs, {
      ctx,
      ctxAddr: BigInt(own.machine.data),
      little: own.config.target.order === 'little',
      userLimit: BigInt(USER_LIMIT),
      helper: (imm, args) => mixed(helperImms.indexOf(imm), args),
      budget: 20_000,
    });
    return { value, ctx };
  } catch (error) {
    if (error instanceof OutOfBudget) return undefined;
    throw error;
  }
}

const CODES = [
  0xb7, 0xbf, 0x07, 0x0f, 0x67, 0x77, 0xc7, 0x57, 0x5f, 0xd4, 0xdc, 0xd7, 0x61, 0x79, 0x71, 0x69, 0x81, 0x7b, 0x63,
  0x62, 0x7a, 0xdb, 0xc3, 0x15, 0x1d, 0x55, 0x16, 0x26, 0x85, 0x95, 0x05, 0x06, 0x18, 0xf5, 0x21, 0xa1, 0xa3, 0xc2,
  0xe3, 0x37,
];

/** Slots nobody verified, most of them instructions, jumps mostly inside. */
function anySlots(random: Random): Insn[] {
  const count = random.between(1, 30);
  return Array.from({ length: count }, (_, slot) => {
    if (slot === count - 1 && random.chance(80)) return makeInsn(0x95, 0, 0, 0, 0);
    const code = random.chance(98) ? random.pick(CODES) : random.below(256);
    const distance = random.between(-slot - 1, count - slot - 2);
    const jumps = (code & 7) === 5 || (code & 7) === 6;
    const inside = random.chance(98);
    if (code === 0x85) return makeInsn(code, 0, random.below(3), random.below(3), random.below(4096) * 4);
    if (jumps)
      return makeInsn(code, random.below(11), random.below(11), inside ? distance : 99, inside ? distance : 99);
    return makeInsn(
      code,
      random.below(random.chance(98) ? 10 : 16),
      random.below(11),
      random.between(-20, 20),
      random.edgeI32(),
    );
  });
}

describe('slots nobody verified', () => {
  it('compile, or are refused by errno, and nothing else', () => {
    const machines = OWN_CONFIGS.map(config => new OwnMachine(config));
    const refused: string[] = [];
    let compiled = 0;
    for (let seed = 1; seed <= 600; seed++) {
      const random = new Random(seed);
      const insns = anySlots(random);
      const setup = {
        insns,
        stackDepthBytes: random.below(600),
        arena: { kernVmStart: random.u64(), userVmStart: random.u64() },
        tailCallReachable: random.chance(20),
        verifierZext: random.chance(50),
        kfuncAddr: () => 0xc008000000001234n,
      };
      try {
        const compiler = random.pick(machines).compiler(setup, random.below(2), true);
        const first = compiler.emit(undefined, undefined);
        const callees = [0, 1, 2].map(() => {
          const entry = 0xc008000000010000n + BigInt(random.i32() & ~3);
          return { bpfFunc: entry, entry, localEntry: entry + 4n };
        });
        const { bytes, slotOffs } = compiler.emit(0xc008000000010000n, callees);
        expect(bytes.length).toBeLessThanOrEqual(first.bytes.length);
        expect([...slotOffs]).toEqual([...slotOffs].sort((a, b) => a - b));
        expect(slotOffs.length).toBe(insns.length + 1);
        compiled++;
      } catch (error) {
        if (!(error instanceof JitError)) throw error;
        refused.push(error.message);
      }
    }
    expect([compiled > 100, refused.length > 50]).toEqual([true, true]);
  });
});

describe.each(OWN_CONFIGS.map(config => [configName(config), config] as const))('own mode on %s', (_, config) => {
  it('agrees with the evaluator, functions near one another', () => {
    expect(differences(config, 0n)).toEqual([]);
  });

  it('agrees with the evaluator, functions out of reach of a branch', () => {
    expect(differences(config, 1n << 27n)).toEqual([]);
  });
});
