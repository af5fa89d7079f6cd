/** One file a program type: its section names, its context, its rules, how a test run fills it. */

export { btfCtxAccess } from './btf-ctx.ts';
export * from './contract.ts';
export { progTypeContract } from './contracts.ts';
export { socketConversion } from './convert/sock.ts';
export * from './ctx-structs.ts';
export {
  btfIsProgCtxType,
  btfIsProjectionOf,
  findCanonicalProgCtxType,
  findKernCtxTypeId,
  isUserPtRegs,
} from './ctx-type.ts';
export { bpfIterProgSupported } from './iter-targets.ts';
export { type PacketContextFunction, skbContextFunction, xdpContextFunction } from './packet-context.ts';
export { bpfProgCheckRecur, bpfProgHasTrampoline } from './protos/base.ts';
export * from './sections.ts';
export * from './table.ts';
export * from './types.ts';
