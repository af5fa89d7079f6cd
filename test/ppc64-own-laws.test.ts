import { describe, expect, it } from 'vitest';
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

describe.each(OWN_CONFIGS.map(config => [configName(config), config] as const))('own mode on %s', (_, config) => {
  it('agrees with the evaluator, functions near one another', () => {
    expect(differences(config, 0n)).toEqual([]);
  });

  it('agrees with the evaluator, functions out of reach of a branch', () => {
    expect(differences(config, 1n << 27n)).toEqual([]);
  });
});
