import { describe, expect, it } from 'vitest';
import { capstoneDisassembler } from '../src/cli/inspect/disassembler.ts';
import { RISCV64 } from '../src/jit/riscv64/index.ts';
import { CTX_BYTES, FUEL_OFF, generateFunctions, type OwnFunc } from './support/ppc64/own-programs.ts';
import { OutOfBudget, runReference } from './support/ppc64/own-reference.ts';
import { Random } from './support/random.ts';
import { helperImm, OwnMachine } from './support/riscv64/own-machine.ts';

// What own mode compiles does what RFC 9669 says: generated functions on a small emulated CPU against the obvious evaluator.

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

function differences(cpuName: string, distance: bigint): string[] {
  const wrong: string[] = [];
  for (const seed of SEEDS) {
    const own = new OwnMachine(cpuName);
    const helpers = [0, 1, 2, 3, 4, 5].map(count =>
      own.gate(`mix${count}`, (cpu, out) => {
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
      ctxAddr: BigInt(own.data),
    });
    const ctx = new Random(seed).bytes(CTX_BYTES);
    new DataView(ctx.buffer).setUint32(FUEL_OFF, 40, true);
    const wanted = reference(funcs, ctx, own, helperImms);
    if (wanted === undefined) continue;
    own.mem.u8.set(ctx, own.data);
    const placed = own.place(
      funcs.map(func => ({ ...func, verifierZext })),
      distance,
    );
    const value = own.call(placed.funcs[0].bpfFunc, [BigInt(own.data)]);
    if (value !== wanted.value) wrong.push(`seed ${seed}: ${value} instead of ${wanted.value}`);
    const after = own.mem.u8.subarray(own.data, own.data + CTX_BYTES);
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
      ctxAddr: BigInt(own.data),
      little: true,
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

describe.each(RISCV64.cpus)('own mode on %s', cpuName => {
  it('agrees with the evaluator, functions near one another', () => {
    expect(differences(cpuName, 0n)).toEqual([]);
  });

  it('agrees with the evaluator, functions out of reach of a branch', () => {
    expect(differences(cpuName, 1n << 21n)).toEqual([]);
  });

  it('gives images a disassembler reads to the end', async () => {
    const disassemble = (await capstoneDisassembler(RISCV64))!;
    for (const seed of SEEDS) {
      const own = new OwnMachine(cpuName);
      const helperImms = [0, 1, 2, 3, 4, 5].map(count => helperImm(own.gate(`mix${count}`, () => {})));
      const ctxAddr = BigInt(own.data);
      const funcs = generateFunctions(seed, { verifierZext: false, helperImms, userLimit: USER_LIMIT, ctxAddr });
      for (const { compiled, at } of own.place(funcs).funcs) {
        let off = 0;
        while (off < compiled.bytes.length) {
          const insn = disassemble(compiled.bytes, off, at + BigInt(off));
          expect(insn?.sizeBytes, `seed ${seed}, byte ${off}`).toBeGreaterThan(1);
          off += insn!.sizeBytes;
        }
        expect(off).toBe(compiled.bytes.length);
      }
    }
  });
});
