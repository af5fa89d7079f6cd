import { type Engine, interpEngine } from '../../engine/index.ts';

/** The engines `--engine` may name. */
export const ENGINES: Readonly<Record<string, Engine>> = {
  interp: interpEngine,
};

export const ENGINE_NAMES = Object.keys(ENGINES);
