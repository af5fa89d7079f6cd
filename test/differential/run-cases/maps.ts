import { ProgramBuilder, R0, R1, R2, R3, R4, R6, R7, R10 } from '../../../src/isa/index.ts';
import { bpf_map_type } from '../../../src/uapi/index.ts';
import { id, type MapCase, type RunCase, stackAddr, TC, V4 } from './shared.ts';

const RING: MapCase = { type: bpf_map_type.BPF_MAP_TYPE_RINGBUF, key: 0, value: 0, max: 4096 };
const ARRAY: MapCase = { type: bpf_map_type.BPF_MAP_TYPE_ARRAY, key: 4, value: 64, max: 2 };

/** A tc program with one map; the body returns in r0, and r6 is the context. */
function withMap(name: string, map: MapCase, body: (b: ProgramBuilder) => void): RunCase {
  const b = new ProgramBuilder().mov(R6, R1);
  body(b);
  return { name, type: TC, insns: b.exit().build(), data: V4, maps: [map] };
}

const loadMap = (b: ProgramBuilder): ProgramBuilder => b.wide('lddw_map_fd', R1, 0);

function query(b: ProgramBuilder, flag: number): void {
  loadMap(b).mov(R2, flag).helper(id('ringbuf_query'));
}

function output(b: ProgramBuilder, size: number, flags: number): void {
  b.store('dw', R10, -8, 1);
  loadMap(b);
  stackAddr(b, R2, -8);
  b.mov(R3, size).mov(R4, flags).helper(id('ringbuf_output'));
}

function reserve(b: ProgramBuilder, size: number, finish: 'submit' | 'discard'): void {
  loadMap(b).mov(R2, size).mov(R3, 0).helper(id('ringbuf_reserve')).jumpIf('jeq', R0, 0, `none${b.here}`);
  const label = `none${b.here - 1}`;
  b.mov(R1, R0)
    .mov(R2, 0)
    .helper(id(`ringbuf_${finish}`))
    .label(label);
}

/** A dynptr over the array's first value at fp-16; r7 is the value. */
function dynptr(name: string, body: (b: ProgramBuilder) => void): RunCase {
  return withMap(name, ARRAY, b => {
    b.store('w', R10, -20, 0);
    loadMap(b);
    stackAddr(b, R2, -20);
    b.helper(id('map_lookup_elem')).jumpIf('jne', R0, 0, 'found').exit().label('found').mov(R7, R0);
    b.mov(R1, R7).mov(R2, 64).mov(R3, 0);
    stackAddr(b, R4, -16);
    b.helper(id('dynptr_from_mem'));
    body(b);
  });
}

function access(b: ProgramBuilder, helper: 'dynptr_read' | 'dynptr_write', off: number, flags: number): void {
  b.store('dw', R10, -32, 0x1234);
  stackAddr(b, R1, helper === 'dynptr_read' ? -32 : -16);
  if (helper === 'dynptr_read') {
    b.mov(R2, 8);
    stackAddr(b, R3, -16);
    b.mov(R4, off);
  } else {
    b.mov(R2, off);
    stackAddr(b, R3, -32);
    b.mov(R4, 8);
  }
  b.emit('mov64_imm', { dst: 5, imm: flags }).helper(id(helper));
}

/** Ring buffers and dynptrs. */
export function maps(): RunCase[] {
  const cases: RunCase[] = [];
  for (const flag of [0, 1, 2, 3, 4, -1]) {
    cases.push(
      withMap(`ringbuf_query ${flag} of an empty ring`, RING, b => query(b, flag)),
      withMap(`ringbuf_query ${flag} after output`, RING, b => {
        output(b, 5, 0);
        query(b, flag);
      }),
      withMap(`ringbuf_query ${flag} after submit and discard`, RING, b => {
        reserve(b, 100, 'submit');
        reserve(b, 9, 'discard');
        query(b, flag);
      }),
    );
  }
  for (const flags of [0, 1, 2, 3, 4])
    cases.push(withMap(`ringbuf_output flags ${flags}`, RING, b => output(b, 8, flags)));
  for (const size of [4080, 4088, 4089, 8000]) {
    cases.push(
      withMap(`ringbuf_reserve ${size}`, RING, b => {
        reserve(b, size, 'submit');
        query(b, 0);
      }),
    );
  }
  for (const off of [0, 8, 56, 57, 64, 65]) {
    for (const flags of [0, 1]) {
      for (const helper of ['dynptr_read', 'dynptr_write'] as const) {
        cases.push(dynptr(`${helper} ${off} ${flags}`, b => access(b, helper, off, flags)));
      }
    }
    cases.push(
      dynptr(`dynptr_data ${off}`, b => {
        stackAddr(b, R1, -16);
        b.mov(R2, off).mov(R3, 8).helper(id('dynptr_data')).jumpIf('jeq', R0, 0, 'null').mov(R0, 1).label('null');
      }),
    );
  }
  return cases;
}
