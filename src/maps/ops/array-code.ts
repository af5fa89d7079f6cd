import { ProgramBuilder, R0, R1, R2 } from '../../isa/index.ts';
import type { LinearMemory } from '../../mem/index.ts';
import { bpf_map_type as T } from '../../uapi/index.ts';
import { ARRAY_LAYOUT } from '../layout.ts';
import type { BpfMap } from '../types.ts';
import type { MapOpProgram } from './closure.ts';

/**
 * Look-ups in one array, whose address and sizes never change: `kernel/bpf/arraymap.c: array_map_gen_lookup`,
 * `percpu_array_map_gen_lookup`, `array_of_map_gen_lookup`. Undefined for maps that are no arrays.
 *
 * @param cpuAddr address of the word that holds the running CPU's number
 */
export function arrayLookupProgram(map: BpfMap, mem: LinearMemory, cpuAddr: number): MapOpProgram | undefined {
  const { type, maxEntries } = map.def;
  const percpu = type === T.BPF_MAP_TYPE_PERCPU_ARRAY;
  if (!percpu && type !== T.BPF_MAP_TYPE_ARRAY && type !== T.BPF_MAP_TYPE_ARRAY_OF_MAPS) return undefined;
  const word = (off: number): number => mem.view.getInt32(map.addr + off, mem.littleEndian);
  const b = new ProgramBuilder();
  const multiply = (reg: typeof R0, by: number): void => {
    const shift = 31 - Math.clz32(by);
    if (by === 2 ** shift) b.alu64('lsh', reg, shift);
    else b.alu64('mul', reg, by);
  };
  b.load('w', R0, R2).jumpIf('jge', R0, maxEntries | 0, 'outside', 32);
  multiply(R0, word(ARRAY_LAYOUT.elemBytes));
  b.alu64('add', R0, word(ARRAY_LAYOUT.values));
  if (percpu) {
    b.mov(R1, cpuAddr).load('w', R1, R1);
    multiply(R1, word(ARRAY_LAYOUT.cpuBytes));
    b.alu64('add', R0, R1);
  }
  if (type === T.BPF_MAP_TYPE_ARRAY_OF_MAPS) b.load('dw', R0, R0);
  b.exit().label('outside').mov(R0, 0).exit();
  return { insns: b.build(), stackDepths: [0] };
}
