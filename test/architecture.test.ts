import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const SRC = fileURLToPath(new URL('../src', import.meta.url));

/** Rooms from the ground up; each may import those before it. Rooms on one line do not import each other. */
const FLOORS = [
  ['util'],
  ['mem'],
  ['uapi'],
  ['isa'],
  ['asm', 'btf', 'elf'],
  ['maps'],
  ['helpers'],
  ['progtypes'],
  ['kernels'],
  ['object'],
  ['verifier'],
  ['jit'],
  ['engine'],
  ['machine'],
  ['index.ts'],
  ['cli'],
];
const floorOf = new Map(FLOORS.flatMap((rooms, floor) => rooms.map(room => [room, floor] as const)));

/** Doors of rooms beside their index: what needs Node is not behind that. */
const SIDE_DOORS = ['engine/native/index.ts'];

/** Where `node:*` is allowed: the command line, and the engine that loads native code. */
const MAY_USE_NODE = [/^cli\//, /^engine\/native\//];

const LINES_MOST = 1000;
const LINES_MEDIAN = 250;

interface Source {
  readonly path: string;
  readonly text: string;
  readonly imports: readonly string[];
}

function sources(dir: string): Source[] {
  return readdirSync(dir, { withFileTypes: true }).flatMap(entry => {
    const path = join(dir, entry.name);
    if (entry.isDirectory()) return sources(path);
    if (!entry.name.endsWith('.ts') || entry.name.endsWith('.test.ts')) return [];
    const text = readFileSync(path, 'utf8');
    const imports = [
      ...text.matchAll(/^(?:import|export)\b[^;'"]*?from\s*['"]([^'"]+)['"]|^import\s*['"]([^'"]+)['"]/gms),
    ].map(m => m[1] ?? m[2]);
    return [{ path, text, imports }];
  });
}

const all = sources(SRC);
const name = (path: string): string => relative(SRC, path).replaceAll('\\', '/');
const room = (path: string): string => name(path).split('/')[0];
const target = (from: Source, specifier: string): string => resolve(dirname(from.path), specifier);

describe('the floor plan', () => {
  it('has a floor for every room', () => {
    expect([...new Set(all.map(file => room(file.path)))].filter(r => !floorOf.has(r))).toEqual([]);
  });

  it('imports point down only', () => {
    const wrong = all.flatMap(file =>
      file.imports
        .filter(s => s.startsWith('.'))
        .map(s => target(file, s))
        .filter(
          to => room(to) !== room(file.path) && (floorOf.get(room(to)) ?? 99) >= (floorOf.get(room(file.path)) ?? -1),
        )
        .map(to => `${name(file.path)} imports ${name(to)}`),
    );
    expect(wrong).toEqual([]);
  });

  it('crosses rooms through their index only', () => {
    const wrong = all.flatMap(file =>
      file.imports
        .filter(s => s.startsWith('.'))
        .map(s => target(file, s))
        .filter(
          to =>
            room(to) !== room(file.path) && !/^[^/]+(\/index\.ts)?$/.test(name(to)) && !SIDE_DOORS.includes(name(to)),
        )
        .map(to => `${name(file.path)} imports ${name(to)}`),
    );
    expect(wrong).toEqual([]);
  });

  it('keeps node out of the library and packages to those declared', () => {
    const { dependencies } = JSON.parse(readFileSync(join(SRC, '../package.json'), 'utf8'));
    const wrong = all.flatMap(file =>
      file.imports
        .filter(s => !s.startsWith('.'))
        .filter(
          s =>
            !(s.startsWith('node:')
              ? MAY_USE_NODE.some(r => r.test(name(file.path)))
              : room(file.path) === 'cli' && s in dependencies),
        )
        .map(s => `${name(file.path)} imports ${s}`),
    );
    expect(wrong).toEqual([]);
  });

  it('has no import cycles', () => {
    const byPath = new Map(all.map(file => [file.path, file]));
    const state = new Map<string, 'open' | 'done'>();
    const cycles: string[] = [];
    const visit = (path: string, trail: string[]): void => {
      const file = byPath.get(path);
      if (file === undefined || state.get(path) === 'done') return;
      if (state.get(path) === 'open') {
        cycles.push([...trail.slice(trail.indexOf(name(path))), name(path)].join(' → '));
        return;
      }
      state.set(path, 'open');
      const valueImports = [
        ...file.text.matchAll(/^(?:import|export)\s+(?!type\b)[^;'"]*?from\s*['"](\.[^'"]+)['"]/gms),
      ].map(m => m[1]);
      for (const specifier of valueImports) visit(target(file, specifier), [...trail, name(path)]);
      state.set(path, 'done');
    };
    for (const file of all) visit(file.path, []);
    expect(cycles).toEqual([]);
  });

  it('exports names, never defaults', () => {
    expect(all.filter(file => /^export default\b/m.test(file.text)).map(file => name(file.path))).toEqual([]);
  });

  it('does nothing at import: no top-level calls or assignments to globals', () => {
    const wrong = all
      .filter(file => name(file.path) !== 'cli/main.ts' && !name(file.path).startsWith('cli/worker'))
      .flatMap(file =>
        file.text
          .split('\n')
          .filter(line => /^(await\s|[A-Za-z_$][\w$.]*\(|globalThis|process\.)/.test(line))
          .map(line => `${name(file.path)}: ${line}`),
      );
    expect(wrong).toEqual([]);
  });
});

describe('the size of files', () => {
  const lines = all
    .filter(file => !/^\/\/ Generated by/.test(file.text))
    .map(file => ({ file: name(file.path), lines: file.text.split('\n').length }))
    .sort((a, b) => a.lines - b.lines);

  it(`keeps every file under ${LINES_MOST} lines`, () => {
    expect(lines.filter(file => file.lines > LINES_MOST)).toEqual([]);
  });

  it(`keeps the median under ${LINES_MEDIAN} lines and few over 600`, () => {
    expect(lines[lines.length >> 1].lines).toBeLessThan(LINES_MEDIAN);
    expect(lines.filter(file => file.lines > 600).length).toBeLessThanOrEqual(Math.ceil(all.length / 20));
  });
});

describe('what must not be written', () => {
  it('names no machine, host or hidden path', () => {
    const wrong = all
      .filter(file => /\/work\/|\.cache\/kernel-lab|registry\.npmjs|deb\.debian\.org/.test(file.text))
      .map(file => name(file.path));
    expect(wrong).toEqual([]);
  });
});
