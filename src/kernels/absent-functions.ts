import { ABSENT_FUNCTIONS } from './generated/absent-functions.ts';

const DECODED = new Map<string, ReadonlySet<string>>();

function absentFrom(kernel: string): ReadonlySet<string> {
  let names = DECODED.get(kernel);
  if (names === undefined) {
    let last = '';
    const words = ABSENT_FUNCTIONS[kernel]?.trim().split(/\s+/) ?? [];
    names = new Set(words.map(word => (last = last.slice(0, Number.parseInt(word[0], 36)) + word.slice(1))));
    DECODED.set(kernel, names);
  }
  return names;
}

/**
 * Whether a function of the kernel's BTF has no symbol there (`kallsyms_lookup_name()`), so that no program can be attached to
 * it. Known of some recorded kernels only; the others have all their functions.
 *
 * @param kernel as `KernelImage.name` has it
 */
export function isFunctionAbsent(kernel: string, name: string): boolean {
  return absentFrom(kernel).has(name);
}
