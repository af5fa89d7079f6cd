/** Programs in code of the host's own CPU. Needs Node; everything else of farcall does not import it. */

export { CodeCache } from '../code-cache.ts';
export { type AddonOptions, loadAddon } from './addon.ts';
export { type NativeEngineOptions, nativeEngine } from './engine.ts';
export { checkHost, type HostFacts, unsupportedBecause } from './host.ts';
export type { Unverified } from './loaded.ts';
