import { describe, expect, it } from 'vitest';
import { pageOutput } from '../support/chromium-page.ts';
import { requireTool } from '../support/tools.ts';

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
    expect(await pageOutput(chromium, PAGE)).toBe('{"types":113666,"counts":{"2":10,"3":55}}');
  });
});
