import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { COMMAND_TABLE } from '../commands.ts';
import { bashCompletion } from './bash.ts';
import { completionEntries } from './entries.ts';
import { fishCompletion } from './fish.ts';
import { zshCompletion } from './zsh.ts';

const ENTRIES = await completionEntries(COMMAND_TABLE);
const DIR = mkdtempSync(join(tmpdir(), 'farcall-completion-'));
afterAll(() => rmSync(DIR, { recursive: true }));

describe.each([
  ['bash', bashCompletion],
  ['zsh', zshCompletion],
  ['fish', fishCompletion],
])('%s', (_, script) => {
  const text = script(ENTRIES);
  it('knows every word and every option', () => {
    for (const { path, options } of ENTRIES) {
      for (const word of path) expect(text).toContain(word);
      for (const { name } of options) expect(text).toContain(name);
    }
  });
});

/** What bash would offer for the last of these words. */
function bashOffers(words: readonly string[]): string[] {
  const script = join(DIR, 'farcall.bash');
  writeFileSync(script, bashCompletion(ENTRIES));
  const asked = `source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _farcall; printf '%s\\n' "\${COMPREPLY[@]}"`;
  // With a socket for its input bash takes itself for a remote shell and reads .bashrc; neither is wanted here.
  const { stdout, stderr } = spawnSync('bash', ['--norc', '--noprofile', '-c', asked, script, ...words], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 120_000,
  });
  expect(stderr).toBe('');
  return stdout.split('\n').filter(Boolean);
}

describe('in bash', () => {
  const cases: [line: string, offers: string[]][] = [
    ['farcall ', ['obj', 'prog', 'bench', 'kallsyms', 'map', 'btf', 'insn', 'plugin', 'completion', 'version']],
    ['farcall p', ['prog', 'plugin']],
    ['farcall prog ', ['run', 'verify', 'show', 'calls', 'jit', 'dump']],
    ['farcall prog dump ', ['raw', 'xlated', 'jited']],
    ['farcall prog dump xlated x.o v', ['visual']],
    ['farcall prog calls x.o --layout x86', ['x86_64', 'x86_64-kaslr']],
    ['farcall gen ', ['object']],
    ['farcall prog run --en', ['--engine']],
    ['farcall prog run x.o --engine ', ['wasm', 'interp', 'native', 'ppc64le', 'ppc64']],
    ['farcall prog run --prog obj --eng', ['--engine']],
    ['farcall insn disasm -d k', ['kernel']],
    ['farcall prog dump raw x.o op', ['opcodes']],
    ['farcall completion z', ['zsh']],
    ['farcall obj show package.js', ['package.json']],
    ['farcall obj extract x -o docs/ad', ['docs/adding']],
    ['farcall plugin bpf_conformance ', []],
  ];
  it.each(cases)('%s', (line, offers) => expect(bashOffers(line.split(' '))).toEqual(offers));
});
