import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/**
 * Opens a page in a headless browser and returns what it leaves in the element `out`. The page is at the root of a server of
 * the project's files, dist/ among them, under headers that let threads share memory.
 *
 * @param made more files: path to text
 */
export async function pageOutput(
  chromium: string,
  html: string,
  made: Readonly<Record<string, string>> = {},
): Promise<string | undefined> {
  const headers = { 'cross-origin-opener-policy': 'same-origin', 'cross-origin-embedder-policy': 'require-corp' };
  const server = createServer((request, response) => {
    const path = normalize(decodeURIComponent((request.url ?? '/').split('?')[0]));
    if (path === '/') {
      response.writeHead(200, { ...headers, 'content-type': 'text/html' }).end(html);
      return;
    }
    try {
      const type = /\.m?js$/.test(path) ? 'text/javascript' : 'application/octet-stream';
      const body = made[path] ?? readFileSync(join(ROOT, path));
      response.writeHead(200, { ...headers, 'content-type': type }).end(body);
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
      { timeout: 50_000, maxBuffer: 16 << 20 },
    );
    return /<pre id="out">(.*?)<\/pre>/s.exec(stdout)?.[1];
  } finally {
    server.close();
    rmSync(profile, { recursive: true, force: true });
  }
}
