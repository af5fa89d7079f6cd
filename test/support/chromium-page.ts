import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const LIMIT_MS = 200_000;

/** Sends what the element holds once it changes: threads take their time, so the page says itself when it is done. */
const REPORT = `<script>
  const element = document.getElementById('out');
  new MutationObserver(() => fetch('/result', { method: 'POST', body: element.textContent })).observe(element, { childList: true });
</script>`;

/**
 * Opens a page in a headless browser and returns what it puts into `<pre id="out">`, which is to be its first element. The page
 * is at the root of a server of the project's files, dist/ among them, under headers that let threads share memory.
 *
 * @param made more files: path to text
 */
export async function pageOutput(
  chromium: string,
  html: string,
  made: Readonly<Record<string, string>> = {},
): Promise<string> {
  const headers = { 'cross-origin-opener-policy': 'same-origin', 'cross-origin-embedder-policy': 'require-corp' };
  let report: (text: string) => void = () => {};
  const reported = new Promise<string>(resolve => {
    report = resolve;
  });
  const server = createServer(async (request, response) => {
    const path = normalize(decodeURIComponent((request.url ?? '/').split('?')[0]));
    if (path === '/result') {
      let text = '';
      for await (const part of request) text += part;
      response.writeHead(204, headers).end();
      report(text);
      return;
    }
    if (path === '/') {
      response.writeHead(200, { ...headers, 'content-type': 'text/html; charset=utf-8' });
      response.end(html.replace('</pre>', `</pre>${REPORT}`));
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
  const { port } = server.address() as AddressInfo;
  const browser = spawn(
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
      '--remote-debugging-port=0',
      `http://127.0.0.1:${port}/`,
    ],
    { stdio: 'ignore', detached: true },
  );
  const gone = new Promise<void>(resolve => browser.once('exit', () => resolve()));
  let timer: NodeJS.Timeout | undefined;
  try {
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`the page said nothing in ${LIMIT_MS} ms`)), LIMIT_MS);
    });
    return await Promise.race([reported, late]);
  } finally {
    clearTimeout(timer);
    killGroup(browser);
    await gone;
    server.closeAllConnections();
    server.close();
    removeProfile(profile);
  }
}

/** The browser is many processes; all of them are in the group its first one leads. */
function killGroup(browser: ChildProcess): void {
  if (browser.pid === undefined) return;
  try {
    process.kill(-browser.pid, 'SIGKILL');
  } catch {
    browser.kill('SIGKILL');
  }
}

/** Some child of the browser may write for a moment after its death; what it leaves in the temporary folder is no failure of the page. */
function removeProfile(profile: string): void {
  try {
    rmSync(profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  } catch {}
}
