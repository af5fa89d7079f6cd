import { expect, it } from 'vitest';
import { TestHelperEnv } from '../../test/support/helper-env.ts';
import { bpf_map_type } from '../uapi/index.ts';
import { HELPERS, type HelperDef } from './index.ts';

const BYTES = 64;
const XDP = 6;
const SCHED_CLS = 3;
const REGISTERS = [1, 2, 3, 4, 5] as const;

/** A run of a program, memory that only a number leads to, and whether anybody has looked there. */
class Trap {
  readonly #env = new TestHelperEnv();
  readonly #bait: number;
  readonly #map: number;
  /** What pointers lead to: a format that takes a string, or the address itself. */
  readonly #contents: readonly Uint8Array[];
  #looked = false;

  constructor(type: number) {
    const env = this.#env;
    env.begin(type, new Uint8Array(100).fill(5));
    const bait = env.memory(new Uint8Array(BYTES).fill(0x41)).start;
    this.#bait = bait;
    this.#map = env.create({ type: bpf_map_type.BPF_MAP_TYPE_ARRAY }).addr;
    const format = new Uint8Array(BYTES);
    format.set([0x25, 0x73]);
    const address = new Uint8Array(BYTES);
    new DataView(address.buffer).setUint32(0, bait, true);
    this.#contents = [format, address];
    const { mem } = env;
    const accessible = mem.accessible.bind(mem);
    mem.accessible = (at, size, access) => {
      if (at >= bait && at < bait + BYTES) this.#looked = true;
      return accessible(at, size, access);
    };
  }

  /** Whether a helper looks at memory whose address it got as a number: as an argument that is anything, or as a word of memory. */
  isFollowedBy(def: HelperDef): boolean {
    const { args } = def.proto;
    const kindOf = (register: number): string => args[register - 1]?.type ?? 'ARG_ANYTHING';
    const memory = REGISTERS.filter(
      register => kindOf(register).startsWith('ARG_PTR') && kindOf(register) !== 'ARG_PTR_TO_CTX',
    );
    const numbers = REGISTERS.filter(register => kindOf(register) === 'ARG_ANYTHING');
    this.#looked = false;
    for (const given of [0, ...numbers]) {
      for (let contents = 0; contents < 1 << memory.length; contents++) {
        const values = REGISTERS.map(register => {
          const kind = kindOf(register);
          if (kind === 'ARG_ANYTHING') return register === given ? this.#bait : 0;
          if (kind === 'ARG_CONST_MAP_PTR') return this.#map;
          if (kind === 'ARG_PTR_TO_CTX') return this.#env.ctxAddr;
          if (!memory.includes(register)) return 8;
          return this.#env.memory(this.#contents[(contents >> memory.indexOf(register)) & 1]).start;
        });
        try {
          this.#env.call(def, ...values);
        } catch {
          // Most are given nonsense.
        }
      }
    }
    return this.#looked;
  }
}

it('helpers that read or write where a number says are marked so', () => {
  const traps = [new Trap(XDP), new Trap(SCHED_CLS)];
  const implemented = HELPERS.filter(def => def !== undefined && def.implemented !== false) as HelperDef[];
  const found = implemented.filter(def => traps.some(trap => trap.isFollowedBy(def)));
  const marked = implemented.filter(def => def.followsNumbers === true);
  expect(found.map(({ name }) => name)).toEqual(marked.map(({ name }) => name));
  expect(marked.length).toBeGreaterThan(10);
});
