/** The script of worker threads: one request in, one reply out. */
import { parentPort } from 'node:worker_threads';
import { runTask, type WorkerReply, type WorkerRequest } from './parallel.ts';

parentPort?.on('message', async ({ index, task, input }: WorkerRequest) => {
  const reply: WorkerReply = { index, outcome: await runTask(task, input) };
  parentPort?.postMessage(reply);
});
