import type { EngineHost } from '../../src/engine/index.ts';
import type { HelperEnv } from '../../src/helpers/index.ts';
import type { LinearMemory } from '../../src/mem/index.ts';

/** A host of nothing but memory: no helpers, no maps, no packet. */
export const bareHost = (mem: LinearMemory): EngineHost => ({
  env: { mem, regs: new Int32Array(22), mapAt: () => undefined } as unknown as HelperEnv,
  helper: () => undefined,
  kfunc: () => undefined,
  packetLoad: () => undefined,
  maps: [],
  tailCallTarget: () => undefined,
  setCallFunc: call => call,
});
