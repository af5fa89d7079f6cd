import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { BTF_INT_SIGNED, BTF_LINKAGE, BtfBuilder } from '../btf/index.ts';
import { externValues, openObject, relocateObject } from './index.ts';

const read = (name: string) => openObject(readFileSync(new URL(`../../testdata/object/${name}`, import.meta.url)));
const spec = read('externs.el.o');

/** A kernel with what externs.c asks for; `release` is the return type of bpf_task_release. */
function kernel(release: 'void' | 'int') {
  const btf = new BtfBuilder();
  const bits = { signed: true, char: false, bool: false, encoding: BTF_INT_SIGNED, bitOffset: 0, bits: 32 };
  const int = btf.add({ kind: 'INT', name: 'int', sizeBytes: 4, ...bits });
  const rq = btf.add({ kind: 'STRUCT', name: 'rq', sizeBytes: 8, members: [] });
  btf.add({ kind: 'VAR', name: 'runqueues', typeId: rq, linkage: BTF_LINKAGE.global });
  const task = btf.add({ kind: 'STRUCT', name: 'task_struct', sizeBytes: 4, members: [] });
  const pointer = btf.add({ kind: 'PTR', name: '', typeId: task });
  const returnTypeId = release === 'void' ? 0 : int;
  const proto = btf.add({ kind: 'FUNC_PROTO', name: '', returnTypeId, params: [{ name: 'p', typeId: pointer }] });
  btf.add({ kind: 'FUNC', name: 'bpf_task_release', typeId: proto, linkage: BTF_LINKAGE.static });
  return btf.build();
}

const outcome = (values: ReturnType<typeof externValues>) =>
  Object.fromEntries(values.map(value => [value.extern.name, value.problem || value.status]));

test('kernel symbols are found by type or address, weak ones may be absent', () => {
  const addressOf = (name: string) => (name === 'some_symbol' ? 0xffffffff81000000n : undefined);
  expect(outcome(externValues(spec, { targetBtf: kernel('void'), addressOf }))).toEqual({
    absent: 'absent',
    bpf_not_there: 'absent',
    bpf_task_release: 'btf',
    runqueues: 'btf',
    some_symbol: 'address',
  });
});

test('what is missing or of another type is told', () => {
  const found = outcome(externValues(spec, { targetBtf: kernel('int') }));
  expect(found.bpf_task_release).toContain('incompatible');
  expect(found.some_symbol).toBe("extern 'some_symbol' (strong): not resolved");
  const empty = outcome(externValues(spec, { targetBtf: new BtfBuilder().build() }));
  expect(empty.runqueues).toBe("extern (var ksym) 'runqueues': not found in kernel BTF");
});

test('struct_ops programs are loaded for maps that are made by themselves', () => {
  const autoload = (name: string) =>
    relocateObject(read(name)).spec.programs.map(program => [program.name, program.autoload]);
  expect(autoload('struct-ops.el.o')).toEqual([
    ['threshold', true],
    ['avoid', true],
  ]);
});
