import { openBtf } from '../../src/btf/index.ts';
import { checkMapDef } from '../../src/maps/index.ts';
import type { VerifierMap, VerifyInput } from '../../src/verifier/index.ts';
import type { ProgFileEntry } from './prog-file.ts';

function mapOf(text: string): VerifierMap | undefined {
  const [type, keySize, valueSize, maxEntries, flags = 0] = text.split(' ').map(Number);
  const def = { name: 'm', type, keySizeBytes: keySize, valueSizeBytes: valueSize, maxEntries, flags };
  if (checkMapDef(def) !== 0) return undefined;
  return {
    name: 'm',
    type,
    keySize,
    valueSize,
    maxEntries,
    flags,
    mapExtra: 0n,
    btf: undefined,
    keyTypeId: 0,
    valueTypeId: 0,
    record: undefined,
    inner: undefined,
    frozen: false,
    data: undefined,
    // Only the program is loaded without rights.
    unprivileged: false,
  };
}

/** The program of a `.prog` file as `verify` takes it, its maps put in as the lab does. Maps no kernel makes are no maps. */
export function verifyInputOf(entry: ProgFileEntry): VerifyInput {
  const made = (entry.maps ?? []).map(mapOf);
  const maps = made.filter(map => map !== undefined);
  const insns = [...entry.insns];
  for (const text of entry.ldmaps ?? []) {
    const [slot, map, src, off = 0] = text.split(' ').map(Number);
    const target = made[map];
    insns[slot] = { ...insns[slot], src, imm: target === undefined ? -22 : maps.indexOf(target) };
    insns[slot + 1] = { ...insns[slot + 1], imm: off };
  }
  const { type, attachType = 0, flags = 0, funcInfo, lineInfo, coreRelos } = entry;
  return {
    name: 'p',
    type,
    attachType,
    flags,
    gplCompatible: (entry.license ?? 'GPL') === 'GPL',
    insns,
    maps,
    btf: entry.btf === undefined ? undefined : openBtf(entry.btf),
    funcInfo,
    lineInfo,
    coreRelos,
  };
}
