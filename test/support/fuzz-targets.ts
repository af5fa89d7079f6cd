import { assemble, DIALECTS, type DialectName, disassemble } from '../../src/asm/index.ts';
import { type Btf, dumpC, openBtf, parseBtfExt } from '../../src/btf/index.ts';
import { checkForm, decodeInsns, encodeInsns } from '../../src/isa/index.ts';
import { createMachine } from '../../src/machine/index.ts';
import { openObject, relocateObject } from '../../src/object/index.ts';
import { FarcallError } from '../../src/util/index.ts';
import { GENERATED_MAPS, GENERATED_TYPES } from './program-generator.ts';

/** What became of one input: a value, or the code of the FarcallError it ended in. Anything else is thrown on. */
export type FuzzOutcome = string;

function outcomeOf(body: () => void): FuzzOutcome {
  try {
    body();
    return 'value';
  } catch (error) {
    if (error instanceof FarcallError) return error.code;
    throw error;
  }
}

const INSN_BUDGET = 2_000;

/** Opens an object, relocates it, loads it into a machine and runs each program, as `farcall prog run` does. */
export function fuzzObject(bytes: Uint8Array, target: Btf | undefined): FuzzOutcome {
  return outcomeOf(() => {
    let spec = openObject(bytes, { name: 'fuzz.o' });
    if (target !== undefined) spec = relocateObject(spec, { targetBtf: target }).spec;
    for (const program of spec.programs)
      for (const name of Object.keys(DIALECTS) as DialectName[]) disassemble(program.insns, { dialect: name });
    const machine = createMachine({ order: spec.order });
    const loaded = machine.loadObject(spec);
    for (const program of loaded.programs.values()) {
      outcomeOf(() => void machine.run(program, { dataIn: new Uint8Array(64), insnBudget: INSN_BUDGET }));
    }
  });
}

/** Opens BTF and asks for everything it says. */
export function fuzzBtf(bytes: Uint8Array): FuzzOutcome {
  return outcomeOf(() => {
    const btf = openBtf(bytes);
    for (let id = 1; id < Math.min(btf.typeCount, 2000); id++) {
      outcomeOf(() => void btf.typeById(id));
      outcomeOf(() => void btf.sizeOf(id));
    }
    outcomeOf(() => void dumpC(btf));
  });
}

/** @param btf the BTF its ids and strings are of */
export function fuzzBtfExt(bytes: Uint8Array, btf: Btf): FuzzOutcome {
  return outcomeOf(() => void parseBtfExt(bytes, btf));
}

/** Decodes any bytes, prints them in every dialect, reads them back, and runs them in a machine. */
export function fuzzInsns(bytes: Uint8Array): FuzzOutcome {
  return outcomeOf(() => {
    const insns = decodeInsns(bytes);
    checkForm(insns);
    for (const name of Object.keys(DIALECTS) as DialectName[]) {
      const back = assemble(disassemble(insns, { dialect: name }), { dialect: name });
      if (encodeInsns(back).join() !== bytes.join()) throw new Error(`${name} does not read back what it printed`);
    }
    const machine = createMachine();
    const program = machine.loadInsns('fuzz', 6, insns);
    machine.run(program, { dataIn: new Uint8Array(64), insnBudget: INSN_BUDGET });
  });
}

/** Runs a program that is nearly sound, with the generator's maps, and lets the timers it armed fire. */
export function fuzzNearlySound(bytes: Uint8Array): FuzzOutcome {
  return outcomeOf(() => {
    const machine = createMachine();
    const maps = GENERATED_MAPS.map(def => machine.createMap(def));
    for (const type of GENERATED_TYPES) {
      const program = machine.loadInsns('nearly sound', type, decodeInsns(bytes), maps);
      machine.run(program, { dataIn: new Uint8Array(64), insnBudget: INSN_BUDGET });
      machine.advanceTime(1_000_000_000n);
    }
  });
}
