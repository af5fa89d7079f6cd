// What test/browser/engine.test.ts has a browser do: every case as WebAssembly, then packets in batches and from threads.
// Runs in Node too, with the interpreter, to say what the results should be.

const { createMachine } = await import('../../dist/index.js');
const { decodeInsns } = await import('../../dist/isa/index.js');
const { toHex, fromHex } = await import('../../dist/util/index.js');

/** All a case leaves, as text. @param how 'checked' as nobody verified it, 'proven' */
export function outcomeOf(engine, { type, insns, maps, proof, packet, ctx }, how) {
  const machine = createMachine({ engine });
  const made = maps.map(def => machine.createMap(def));
  const program = machine.loadInsns(
    'case',
    type,
    decodeInsns(fromHex(insns)),
    made,
    how === 'proven' ? proof : undefined,
  );
  let result;
  try {
    const { r0, fault, dataOut, ctxOut } = machine.run(program, {
      dataIn: fromHex(packet),
      ctxIn: ctx === undefined ? undefined : fromHex(ctx),
    });
    result = [
      fault === undefined ? r0.toString(16) : fault.message,
      ...[dataOut, ctxOut].map(b => (b ? toHex(b) : '')),
    ];
  } catch (error) {
    result = [error.message];
  }
  for (const map of made) {
    const found = map.userLookup(new Uint8Array(map.def.keySizeBytes));
    result.push(found instanceof Uint8Array ? toHex(found) : String(found));
    for (let key = map.userNextKey(null), n = 0; key instanceof Uint8Array && n < 50; key = map.userNextKey(key), n++) {
      const value = map.userLookup(key);
      result.push(`${toHex(key)}=${value instanceof Uint8Array ? toHex(value) : value}`);
    }
  }
  return result.join(' ');
}

/** The verdicts of a program on packets in one call, and of two threads that share a machine's maps. */
export async function packetsAndThreads(engine, { type, insns, maps, proof }, packets) {
  const { attachProgram } = await import('../../dist/machine/index.js');
  const bytes = packets.map(fromHex);
  const machine = createMachine({ engine, shared: true });
  const program = machine.loadInsns(
    'case',
    type,
    decodeInsns(fromHex(insns)),
    maps.map(def => machine.createMap(def)),
    proof,
  );
  const batch = machine.openBatch(program, bytes);
  const verdicts = [...batch.run().verdicts];
  batch.close();
  if (typeof Worker !== 'function') return { verdicts, threads: [] };
  const source = `
    import { attachProgram } from '${new URL('../../dist/machine/index.js', import.meta.url)}';
    onmessage = ({ data: { shared, packets, times } }) => {
      const runner = attachProgram(shared);
      runner.load(packets);
      postMessage({ done: runner.run(times), fault: runner.fault, verdicts: [...runner.verdicts] });
    };`;
  const url = URL.createObjectURL(new Blob([source], { type: 'text/javascript' }));
  const threads = await Promise.all(
    [0, 1].map(
      () =>
        new Promise((resolve, reject) => {
          const worker = new Worker(url, { type: 'module' });
          worker.onmessage = ({ data }) => resolve(data);
          worker.onerror = ({ message }) => reject(new Error(message));
          worker.postMessage({ shared: machine.share(program), packets: bytes, times: 100 });
        }),
    ),
  );
  const [first] = machine.maps;
  const total = new DataView(first.userLookup(new Uint8Array(4)).buffer).getBigUint64(0, true);
  return { verdicts, threads, total: Number(total), attached: typeof attachProgram };
}
