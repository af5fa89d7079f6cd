import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const BIN = fileURLToPath(new URL('../../bin/farcall', import.meta.url));
const OBJECT = 'examples/xdp_counter.bpf.o';
/** Far more lines than a pipe holds. */
const MANY = Array.from({ length: 300 }, () => OBJECT);

function farcall(args: readonly string[], input = '') {
  return spawnSync(process.execPath, [BIN, ...args], { encoding: 'utf8', input, maxBuffer: 1 << 26 });
}

describe('as a process', () => {
  it('is built', () => {
    expect(existsSync(fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))), 'npm run build first').toBe(
      true,
    );
  });

  it('exits with the codes it promises', () => {
    expect(farcall(['version']).status).toBe(0);
    expect(farcall(['plugin', 'bpf_conformance'], '0000000000000000').status).toBe(1);
    expect(farcall(['version', '--loud']).status).toBe(2);
  });

  it('gives the same lines from threads as from one', () => {
    const args = ['obj', 'show', '--json', ...MANY.slice(0, 20), 'nowhere.o', OBJECT];
    const one = farcall([...args, '--jobs', '1']);
    const three = farcall([...args, '--jobs', '3']);
    expect(three.stdout).toBe(one.stdout);
    expect([one.status, three.status]).toEqual([2, 2]);
    expect(one.stdout.trim().split('\n').length).toBe(22);
  });

  it('is quiet when its reader goes away', async () => {
    const child = spawn(process.execPath, [BIN, 'obj', 'show', ...MANY], { stdio: ['ignore', 'pipe', 'pipe'] });
    let stderr = '';
    child.stderr.on('data', text => (stderr += text));
    child.stdout.once('data', () => child.stdout.destroy());
    const code = await new Promise(resolve => child.on('close', resolve));
    expect([code, stderr]).toEqual([0, '']);
  });

  it('dies of an interrupt', async () => {
    // An endless program within an enormous budget: whenever the signal comes, it is still there.
    const endless = [
      'prog',
      'run',
      '--unverified',
      '--type',
      'xdp',
      'hex:0500ffff000000009500000000000000',
      '--insn-limit',
      '0xffffffffffff',
    ];
    const child = spawn(process.execPath, [BIN, ...endless, '--data-in', `hex:${'00'.repeat(64)}`], {
      stdio: 'ignore',
    });
    setTimeout(() => child.kill('SIGINT'), 700);
    const signal = await new Promise(resolve => child.on('close', (_, name) => resolve(name)));
    expect(signal).toBe('SIGINT');
  });
});
