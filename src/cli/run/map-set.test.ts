import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { farcall } from '../../../test/support/cli.ts';

const DIR = mkdtempSync(join(tmpdir(), 'farcall-map-set-'));
afterAll(() => rmSync(DIR, { recursive: true }));

const FIREWALL = ['examples/firewall.bpf.o', '-p', 'ingress'];
const BALANCER = ['examples/load_balancer.bpf.o'];
const CAPTURE = ['--data-in', 'examples/traffic.pcap'];

const sets = (option: string, values: readonly string[]): string[] => values.flatMap(value => [`--${option}`, value]);

/** Maps by name as `map dump --before --json` has them. */
async function dump(object: readonly string[], extra: readonly string[] = []) {
  const { stdout, stderr, exit } = await farcall(['map', 'dump', ...object, '--before', '--json', ...extra]);
  expect([stderr, exit]).toEqual(['', 0]);
  const records = stdout
    .trim()
    .split('\n')
    .map(line => JSON.parse(line));
  return new Map(records.map(record => [record.name as string, record]));
}

describe('--map-set', () => {
  it.each([
    ['{"prefix_len":16,"addr":"192.168.0.0"}=1', '10000000c0a80000', '01000000'],
    ['{"addr":167772160,"prefix_len":8}=0x10', '080000000a000000', '10000000'],
    ['{"prefix_len":"8"}=-1', '0800000000000000', 'ffffffff'],
    ['hex:0100000080000000=hex:01020304', '0100000080000000', '01020304'],
    ['0x8000000001=1_000', '0100000080000000', 'e8030000'],
  ])('ingress_rules:%s', async (setting, key, value) => {
    const maps = await dump(FIREWALL, sets('map-set', [`ingress_rules:${setting}`]));
    expect(maps.get('ingress_rules').entries).toMatchObject([{ key, value }]);
  });

  it('writes in the byte order of the object', async () => {
    const object = ['testdata/bpfeb/firewall.bpf.o', '-p', 'ingress'];
    const setting = 'ingress_rules:{"prefix_len":16,"addr":"192.168.0.0"}=0x10';
    const maps = await dump(object, [...sets('map-set', [setting]), '--set', 'passed=1']);
    expect(maps.get('ingress_rules').entries).toMatchObject([{ key: '00000010c0a80000', value: '00000010' }]);
    expect(maps.get('.bss').entries[0].value).toMatch(/0000000000000001/);
  });

  it('fills a firewall before it runs', async () => {
    const rule = 'ingress_rules:{"prefix_len":16,"addr":"192.168.0.0"}=0';
    const { stdout } = await farcall(['prog', 'run', ...FIREWALL, ...CAPTURE, '--json', '--map-set', rule]);
    const { maps } = JSON.parse(stdout.trim().split('\n').at(-1) ?? '');
    const [bss] = maps.slice(-1)[0].entries;
    // 55 of the IPv4 packets come from there.
    expect(bss.formatted.value['.bss']).toEqual([{ passed: 5 }, { dropped: 55 }]);
  });

  it('pushes to queues and leads to maps and programs by name', async () => {
    const firewall = await dump(
      FIREWALL,
      sets('map-set', ['denied:={"prefix_len":1}', 'denied:=2', 'tables:0=egress_rules']),
    );
    expect(firewall.get('denied').entries).toMatchObject([
      { value: '0100000000000000' },
      { value: '0200000000000000' },
    ]);
    expect(firewall.get('tables').entries).toMatchObject([{ target: 'egress_rules' }, { target: 'egress_rules' }]);
    const parser = await dump(
      ['examples/tail_parser.bpf.o', '-p', 'classify'],
      sets('map-set', ['stages:0=parse_udp']),
    );
    expect(parser.get('stages').entries[0]).toMatchObject({ key: '00000000', target: 'parse_udp' });
  });

  it('gives per-CPU maps one value for all CPUs, or a list', async () => {
    const flows = ['examples/flow_events.bpf.o', '--cpus', '3'];
    const maps = await dump(flows, sets('map-set', ['flows:{"protocol":6}=5', 'flows:{"protocol":7}=[1,2,3]']));
    const { entries } = maps.get('flows');
    const values = entries.map(({ formatted }: { formatted: { values: { value: number }[] } }) =>
      formatted.values.map(({ value }) => value),
    );
    expect(values.sort()).toEqual([
      [1, 2, 3],
      [5, 5, 5],
    ]);
  });

  it.each([
    ['ingress_rules', '--map-set is not usable (expected MAP:KEY=VALUE, MAP:@FILE or @FILE'],
    ['ingress_rules:1', '--map-set is not usable'],
    ['rules:1=1', "no such map (expected one of ingress_rules, egress_rules, tables, denied, .bss, found 'rules')"],
    ['ingress_rules:{"addr":=1', '--map-set is not usable'],
    ['ingress_rules:{"addr":}=1', 'not JSON'],
    ['ingress_rules:{"adr":1}=1', "expected one of the members prefix_len, addr, found 'adr'"],
    [
      'ingress_rules:{"addr":"10.0.0"}=1',
      'the key.addr does not fit its type (expected an integer of 32 bits, found "10.0.0")',
    ],
    ['ingress_rules:hex:0011=1', 'expected 8 bytes, found 2 bytes'],
    ['ingress_rules:{"prefix_len":40}=1', 'the map does not take this key or value (EINVAL)'],
    ['ingress_rules:=1', 'expected a key: ingress_rules:KEY=VALUE'],
    ['ingress_rules:1=4294967296', 'an integer of 32 bits, found 4294967296'],
    ['denied:0=1', 'expected no key: denied:=VALUE'],
    ['tables:0=dennied', "expected a map of this object, found 'dennied'"],
    ['tables:9=denied', 'the map is full, or the index is past its end (E2BIG)'],
    ['tables:0=denied', 'EINVAL'],
    ['@nowhere.json', 'nowhere.json: no such file or directory'],
    ['@package.json', 'package.json: not a dump of maps (expected maps with "name" and "entries")'],
  ])('%s is refused', async (setting, message) => {
    const { exit, stdout, stderr } = await farcall(['map', 'dump', ...FIREWALL, '--before', '--map-set', setting]);
    expect([exit, stdout]).toEqual([2, '']);
    expect(stderr).toContain(message);
  });
});

describe('--map-set @FILE', () => {
  it.each([
    [FIREWALL, ['--map-set', 'ingress_rules:{"prefix_len":16,"addr":"192.168.0.0"}=0']],
    [BALANCER, []],
    [['examples/flow_events.bpf.o'], ['--cpus', '2']],
    [['examples/xdp_counter.bpf.o'], ['--cpus', '3', '--cpu', '1']],
    [['examples/tail_parser.bpf.o', '-p', 'classify'], []],
  ])('%j: what map dump printed is what is there', async (object, extra) => {
    const { stdout, exit } = await farcall(['map', 'dump', ...object, ...CAPTURE, '--json', ...extra]);
    expect(exit).toBe(0);
    const path = join(DIR, 'dump.json');
    writeFileSync(path, stdout);
    const again = await farcall(['map', 'dump', ...object, '--before', '--json', ...extra, '--map-set', `@${path}`]);
    expect(again.stdout).toBe(stdout);
    const report = await farcall(['prog', 'run', ...object, ...CAPTURE, '--json', ...extra]);
    writeFileSync(path, report.stdout);
    const third = await farcall(['map', 'dump', ...object, '--before', '--json', ...extra, '--map-set', `@${path}`]);
    expect(third.stdout).toBe(stdout);
  });

  it.each([
    [
      'bytes as bpftool prints them',
      [
        {
          key: ['0x08', '0x00', '0x00', '0x00', '0x0a', '0x00', '0x00', '0x00'],
          value: ['0x05', '0x00', '0x00', '0x00'],
        },
      ],
    ],
    ['values alone', [{ formatted: { key: { prefix_len: 8, addr: '10.0.0.0' }, value: 5 } }]],
    ['as bpftool prints types', [{ key: { prefix_len: 8, addr: 10 }, value: 5 }]],
  ])('takes %s', async (_, entries) => {
    const path = join(DIR, 'entries.json');
    writeFileSync(path, JSON.stringify(entries));
    const maps = await dump(FIREWALL, sets('map-set', [`egress_rules:@${path}`]));
    expect(maps.get('egress_rules').entries).toMatchObject([{ key: '080000000a000000', value: '05000000' }]);
  });
});

describe('--set', () => {
  it('changes constants before the object is loaded', async () => {
    const maps = await dump(BALANCER, sets('set', ['vip=192.168.7.1', 'backend_count=0x2', 'hash_seed=hex:01020304']));
    const [{ formatted }] = maps.get('.rodata').entries;
    const vars = Object.assign({}, ...formatted.value['.rodata']);
    expect(vars).toMatchObject({ vip: 0x0107a8c0, backend_count: 2, hash_seed: 0x04030201 });
  });

  it.each([
    ['vip', '--set is not usable (expected VARIABLE=VALUE'],
    ['vp=1', 'no such variable (expected one of'],
    ['vip[0]=1', "the variable vip has no such part (expected an array before [index], found 'vip[0]')"],
    ['vip=10.0.0.256', 'vip does not fit its type'],
    ['backend_count=4294967296', 'an integer of 32 bits'],
  ])('%s is refused', async (setting, message) => {
    const { exit, stderr } = await farcall(['map', 'dump', ...BALANCER, '--before', '--set', setting]);
    expect(exit).toBe(2);
    expect(stderr).toContain(message);
  });

  it('is nothing for raw instructions', async () => {
    const raw = ['prog', 'run', '--type', 'xdp', 'hex:9500000000000000'];
    const { exit, stderr } = await farcall([...raw, '--set', 'a=1']);
    expect([exit, stderr]).toEqual([
      2,
      "farcall: raw instructions have no maps (expected an object file, found 'a=1')\n",
    ]);
  });
});
