// A worker that answers with its input, and dies in the ways its input names.
import { parentPort } from 'node:worker_threads';

parentPort.on('message', ({ index, input }) => {
  if (input.file === 'exit') process.exit(3);
  if (input.file === 'throw') throw new Error('out of luck');
  parentPort.postMessage({ index, outcome: { ok: true, value: input.file } });
});
