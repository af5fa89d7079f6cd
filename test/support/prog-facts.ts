import type { CtxAccess, ProgFacts } from '../../src/progtypes/index.ts';

/** Facts of a program root loads on x86-64, attached to nothing. */
export function progFacts(type: number, more: Partial<ProgFacts> = {}): ProgFacts {
  return {
    type,
    rawType: type,
    attachType: 0,
    sleepable: false,
    gplCompatible: true,
    flags: 0,
    kernelBtf: undefined,
    attachBtf: undefined,
    attachBtfId: 0,
    attachFuncProtoId: 0,
    attachFuncName: '',
    attachesToProg: false,
    capBpf: true,
    capPerfmon: true,
    capNetAdmin: true,
    capSysAdmin: true,
    jitRequested: true,
    arch: 'x86_64',
    ...more,
  };
}

/** A context access as the verifier presets it, and the lines it is told. */
export function ctxAccess(isLdsx = false): CtxAccess & { readonly lines: string[] } {
  const lines: string[] = [];
  return {
    regType: 1,
    isLdsx,
    ctxFieldSizeBytes: 0,
    btf: undefined,
    btfId: 0,
    isRetval: false,
    log: line => lines.push(line),
    lines,
  };
}
