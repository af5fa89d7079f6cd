import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type Btf, openBtf } from './btf.ts';
import { coreReloKindOf } from './core-kind.ts';
import { matchCoreSpec } from './core-match.ts';
import { CoreResolver, findCoreCandidates } from './core-resolve.ts';
import { formatCoreSpec, parseCoreSpec } from './core-spec.ts';
import { coreRelos, parseBtfExt } from './ext.ts';
import { BtfBuilder, type BtfTypeInit } from './writer.ts';

const url = (name: string): URL => new URL(`../../testdata/btf/${name}`, import.meta.url);
const read = (name: string): Uint8Array => new Uint8Array(readFileSync(url(name)));

function relosOf(stem: string) {
  const btf = openBtf(read(`${stem}.btf`));
  const ext = parseBtfExt(read(`${stem}.btf.ext`), btf);
  return { btf, relos: ext.coreRelo.groups.flatMap(group => coreRelos(ext, group)) };
}

/** What libbpf says of each relocation; lines on candidates that do not match are left out, as they show half a path. */
function transcript(stem: string, target: Btf): string[] {
  const { btf, relos } = relosOf(stem);
  return relos.flatMap((relo, index) => {
    const kind = coreReloKindOf(relo.kind);
    const spec = parseCoreSpec(btf, relo.typeId, btf.stringAt(relo.accessStrOff), kind);
    const lines = [`relo #${index}: ${formatCoreSpec(spec)}`];
    if (kind.kind === 'TYPE_ID_LOCAL') return lines;
    findCoreCandidates(btf, relo.typeId, [target]).forEach((candidate, number) => {
      const match = matchCoreSpec(spec, candidate.btf, candidate.id);
      if (match !== undefined) lines.push(`relo #${index}: matching candidate #${number} ${formatCoreSpec(match)}`);
    });
    return lines.length > 1 ? lines : [...lines, `relo #${index}: no matching targets found`];
  });
}

describe('matching', () => {
  const golden = readFileSync(url('core.log'), 'utf8')
    .trimEnd()
    .split('\n')
    .filter(line => !line.includes('non-matching'));
  it('finds what libbpf finds', () => {
    expect(transcript('core', openBtf(read('target.btf')))).toEqual(golden);
  });
  it('finds the same in big-endian objects', () => {
    expect(transcript('coreeb', openBtf(read('targeteb.btf')))).toEqual(golden);
  });
});

describe('values', () => {
  const target = openBtf(read('target.btf'));
  const { btf, relos } = relosOf('core');
  const resolver = new CoreResolver(btf, [target]);
  const results = relos.map(relo => resolver.resolve(relo));
  const find = (start: string) => {
    const found = results.find(result =>
      formatCoreSpec(result.localSpec)
        .replace(/\[\d+\] \w+ /, '')
        .startsWith(start),
    );
    if (found === undefined) throw new Error(`no relocation ${start}`);
    return found;
  };

  it.each<[string, bigint, bigint]>([
    ['<byte_off> task_struct.pid', 0n, 24n],
    ['<byte_off> task_struct.comm[3]', 7n, 35n],
    ['<byte_off> task_struct.children.prev', 48n, 88n],
    ['<byte_sz> task_struct.pid', 4n, 4n],
    ['<field_exists> task_struct.pid', 1n, 1n],
    ['<field_exists> task_struct___flavor.no_such_field', 1n, 0n],
    ['<field_exists> sizes.becomes_pointer', 1n, 0n],
    ['<field_exists> sizes.shrinks[2]', 1n, 1n],
    ['<field_exists> sizes.shrinks[6]', 1n, 0n],
    ['<signed> task_struct.pid', 1n, 1n],
    ['<signed> bits.s', 1n, 0n],
    ['<byte_off> bits.b', 0n, 8n],
    ['<byte_sz> bits.b', 4n, 8n],
    ['<lshift_u64> bits.b', 39n, 31n],
    ['<rshift_u64> bits.b', 44n, 31n],
    ['<lshift_u64> bits.wide', 24n, 24n],
    ['<byte_off> several[2].two', 40n, 64n],
    ['<byte_off> flexible.items[5].prev', 96n, 104n],
    ['<type_exists> task_struct', 1n, 1n],
    ['<type_exists> no_such_struct', 1n, 0n],
    ['<type_exists> callback_t', 1n, 0n],
    ['<type_size> several_t', 16n, 24n],
    ['<type_matches> list_head', 1n, 1n],
    ['<type_matches> matches_not', 1n, 0n],
    ['<enumval_exists> bpf_map_type::BPF_MAP_TYPE_NONE_SUCH', 1n, 0n],
    ['<enumval_value> bpf_map_type::BPF_MAP_TYPE_HASH', 77n, 1n],
    ['<enumval_value> becomes_enum64::BE_MINUS', (1n << 64n) - 5n, (1n << 64n) - 9n],
    ['<enumval_value> big_values::BIG', 0x8000000000000001n, 0x8000000000000002n],
  ])('%s: %d → %d', (start, origVal, newVal) => {
    expect(find(start)).toMatchObject({ poison: false, origVal, newVal });
  });

  it('type ids come from both sides and are not compared', () => {
    const id = target.findByName('task_struct');
    expect(find('<local_type_id> task_struct')).toMatchObject({ newVal: 2n, validate: false });
    expect(find('<target_type_id> task_struct')).toMatchObject({ newVal: BigInt(id), validate: false });
  });

  it.each([
    '<byte_off> anonymous_holder.b[2]',
    '<byte_off> task_struct___flavor.no_such_field',
    '<enumval_value> big_values::NOT',
  ])('%s poisons', start => expect(find(start)).toMatchObject({ poison: true, targetSpec: undefined }));

  it.each<[string, object]>([
    ['<byte_off> sizes.grows ', { origSize: 4, newSize: 8, failMemszAdjust: false }],
    ['<byte_off> sizes.grows_signed', { origSize: 4, newSize: 8, failMemszAdjust: true }],
    ['<byte_off> sizes.pointer', { origSize: 8, newSize: 8, failMemszAdjust: false }],
    ['<byte_off> bits.b', { origSize: 0, newSize: 0, validate: false }],
    ['<lshift_u64> bits.b', { validate: false }],
    ['<rshift_u64> bits.b', { validate: true }],
  ])('%s tells loads what to do', (start, expected) => expect(find(start)).toMatchObject(expected));

  it('remembers', () => expect(resolver.resolve(relos[0])).toBe(results[0]));

  it('shifts bitfields from the other end in big-endian objects', () => {
    const big = relosOf('coreeb');
    const there = new CoreResolver(big.btf, [openBtf(read('targeteb.btf'))]);
    const shifts = big.relos.map(relo => there.resolve(relo)).filter(({ kind }) => kind.kind === 'FIELD_LSHIFT_U64');
    expect(shifts.map(({ origVal, newVal }) => [origVal, newVal])).toEqual([
      [32n, 39n],
      [37n, 0n],
      [0n, 0n],
    ]);
  });
});

const int: BtfTypeInit = {
  kind: 'INT',
  name: 'int',
  sizeBytes: 4,
  signed: true,
  char: false,
  bool: false,
  encoding: 1,
  bitOffset: 0,
  bits: 32,
};

function structs(...entries: ReadonlyArray<readonly [name: string, bitOffset: number]>): Btf {
  const builder = new BtfBuilder();
  builder.add(int);
  for (const [name, bitOffset] of entries) {
    builder.add({ kind: 'STRUCT', name, sizeBytes: 16, members: [{ name: 'x', typeId: 1, bitOffset, bitSize: 0 }] });
  }
  builder.string('0:0');
  builder.string('0:7');
  builder.string('0:x');
  builder.string('0');
  return builder.build();
}

describe('what cannot be resolved', () => {
  const local = structs(['s', 0]);
  const off = (text: string): number => {
    for (let at = 0; at < local.strings.endOff; at++) if (local.stringAt(at) === text) return at;
    throw new Error(text);
  };
  const resolve = (target: readonly Btf[], access: string, kind = 0, typeId = 2) =>
    new CoreResolver(local, target).resolve({ typeId, accessStrOff: off(access), kind });

  it('candidates that disagree on the place', () => {
    const target = structs(['s', 0], ['s___other', 32]);
    expect(() => resolve([target], '0:0')).toThrow(/field offset ambiguity: 32 != 0/);
  });
  it('candidates that agree are one', () => {
    expect(resolve([structs(['s', 64], ['s___other', 64])], '0:0').newVal).toBe(8n);
  });
  it('a candidate ruled out once stays out', () => {
    const builder = BtfBuilder.from(structs(['s', 32]));
    const y = { name: 'y', typeId: 1, bitOffset: 64, bitSize: 0 };
    builder.add({ kind: 'STRUCT', name: 's___y', sizeBytes: 16, members: [{ ...y, name: 'x' }, y] });
    const here = BtfBuilder.from(local);
    const both = here.add({
      kind: 'STRUCT',
      name: 's',
      sizeBytes: 16,
      members: [{ ...y, name: 'x', bitOffset: 0 }, y],
    });
    const [first, second] = [here.string('0:0'), here.string('0:1')];
    const btf = here.build();
    const resolver = new CoreResolver(btf, [builder.build()]);
    expect(resolver.resolve({ typeId: both, accessStrOff: second, kind: 0 }).newVal).toBe(8n);
    expect(resolver.resolve({ typeId: both, accessStrOff: first, kind: 0 }).newVal).toBe(8n);
    const fresh = new CoreResolver(btf, [builder.build()]);
    expect(() => fresh.resolve({ typeId: both, accessStrOff: first, kind: 0 })).toThrow(/ambiguity/);
  });
  it('modules are asked only when the kernel has nothing', () => {
    const [kernel, other] = [structs(['s', 32]), structs(['t', 32])];
    const module = new BtfBuilder(other);
    module.add({
      kind: 'STRUCT',
      name: 's',
      sizeBytes: 16,
      members: [{ name: 'x', typeId: 1, bitOffset: 96, bitSize: 0 }],
    });
    expect(resolve([kernel, module.build()], '0:0').newVal).toBe(4n);
    expect(resolve([other, module.build()], '0:0').newVal).toBe(12n);
  });
  it.each<[string, string, number, number, RegExp]>([
    ['a member that is not there', '0:7', 0, 2, /no such member of \[2\] STRUCT s.*below 1.*7/],
    ['a path that is none', '0:x', 0, 2, /malformed access path/],
    ['a path for a type', '0:0', 8, 2, /type relocation has a path/],
    ['an enumerator of a struct', '0', 10, 2, /not an enumerator/],
    ['a kind from the future', '0', 13, 2, /unrecognized CO-RE relocation.*13/],
    ['the sign of an element', '0', 3, 2, /signed cannot be applied to array access/],
  ])('%s', (_, access, kind, typeId, message) => {
    expect(() => resolve([structs(['s', 0])], access, kind, typeId)).toThrow(message);
  });
});
