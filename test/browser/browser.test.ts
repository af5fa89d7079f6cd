import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { requireTool } from '../support/tools.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** The library as a page uses it: no bundler, no shims, the files of dist/ as they are. */
const PAGE = `<!doctype html><pre id="out">nothing</pre><script type="module">
  const out = document.getElementById('out');
  try {
    const { createMachine, openBtf, openObject, relocateObject } = await import('/dist/index.js');
    const bytes = async path => new Uint8Array(await (await fetch(path)).arrayBuffer());
    const packed = (await fetch('/assets/btf/vmlinux-6.12-amd64.btf.gz')).body.pipeThrough(new DecompressionStream('gzip'));
    const targetBtf = openBtf(new Uint8Array(await new Response(packed).arrayBuffer()));
    const pcap = await bytes('/examples/traffic.pcap');
    const { spec } = relocateObject(openObject(await bytes('/examples/load_balancer.bpf.o'), { name: 'load_balancer' }), { targetBtf });
    const machine = createMachine();
    const { programs } = machine.loadObject(spec);
    const counts = {};
    const view = new DataView(pcap.buffer);
    for (let at = 24; at < pcap.length; ) {
      const size = view.getUint32(at + 8, true);
      const { retval } = machine.run(programs.get('balance'), { dataIn: pcap.slice(at + 16, at + 16 + size) });
      counts[retval] = (counts[retval] ?? 0) + 1;
      at += 16 + size;
    }
    out.textContent = JSON.stringify({ types: targetBtf.typeCount, counts });
  } catch (error) {
    out.textContent = String(error.stack ?? error);
  }
</script>`;

describe('the library in a browser', () => {
  const chromium = requireTool('chromium', 'chromium');
  if (chromium === undefined) return;

  it('opens, relocates and runs an example', async () => {
    const server = createServer((request, response) => {
      const path = normalize(decodeURIComponent((request.url ?? '/').split('?')[0]));
      if (path === '/') {
        response.writeHead(200, { 'content-type': 'text/html' }).end(PAGE);
        return;
      }
      try {
        const type = path.endsWith('.js') ? 'text/javascript' : 'application/octet-stream';
        const body = readFileSync(join(ROOT, path));
        response.writeHead(200, { 'content-type': type }).end(body);
      } catch {
        response.writeHead(404).end();
      }
    });
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
    const profile = mkdtempSync(join(tmpdir(), 'farcall-chromium-'));
    try {
      const { port } = server.address() as AddressInfo;
      const { stdout } = await promisify(execFile)(
        chromium,
        [
          '--headless',
          '--no-sandbox',
          '--disable-gpu',
          '--disable-quic',
          '--no-first-run',
          '--disable-background-networking',
          '--disable-component-update',
          '--disable-sync',
          `--user-data-dir=${profile}`,
          '--virtual-time-budget=20000',
          '--dump-dom',
          `http://127.0.0.1:${port}/`,
        ],
        { timeout: 50_000 },
      );
      const text = /<pre id="out">(.*?)<\/pre>/s.exec(stdout)?.[1];
      expect(text).toBe('{"types":113666,"counts":{"2":10,"3":55}}');
    } finally {
      server.close();
      rmSync(profile, { recursive: true, force: true });
    }
  });
});
