import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { type Failure, failureOf } from './failure.ts';
import { TASKS, type TaskInput, type TaskName, type TaskOutput } from './tasks.ts';

export type Outcome<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly failure: Failure };

/** What a worker is sent and what it answers. */
export interface WorkerRequest {
  readonly index: number;
  readonly task: TaskName;
  readonly input: unknown;
}
export interface WorkerReply {
  readonly index: number;
  readonly outcome: Outcome<unknown>;
}

export interface ParallelOptions {
  /** Threads at most; 1 works in this one. Default: one a CPU, and none for a few items. */
  readonly jobs?: number;
  /** Called whenever one more item is finished, in no particular order. */
  readonly onDone?: (done: number) => void;
  /** Script of the worker, for tests. */
  readonly workerUrl?: URL;
}

/** Below this many items starting threads takes longer than it saves. */
const WORTHWHILE = 8;

/** Runs one task in this thread. */
export async function runTask(task: TaskName, input: unknown): Promise<Outcome<unknown>> {
  try {
    const run = (await TASKS[task]()) as (input: unknown) => unknown;
    return { ok: true, value: await run(input) };
  } catch (error) {
    return { ok: false, failure: failureOf(error) };
  }
}

function crashed(message: string): Outcome<never> {
  return { ok: false, failure: { code: 'bug', message: `farcall bug: the worker died: ${message}`, exit: 70 } };
}

/** The compiled worker beside this file; undefined when running from TypeScript sources, which workers cannot load. */
function defaultWorker(): URL | undefined {
  const url = new URL('./worker.js', import.meta.url);
  return existsSync(fileURLToPath(url)) ? url : undefined;
}

/**
 * Does the same task on many inputs, on worker threads, and yields the outcomes in the order of the inputs as soon as they
 * are there. A task that throws gives a failure; so does one whose thread dies, and another thread takes over.
 */
export async function* parallelMap<Name extends TaskName>(
  task: Name,
  inputs: readonly TaskInput<Name>[],
  options: ParallelOptions = {},
): AsyncGenerator<Outcome<TaskOutput<Name>>> {
  const { onDone } = options;
  const wanted = options.jobs ?? (inputs.length < WORTHWHILE ? 1 : availableParallelism());
  const jobs = Math.min(wanted, inputs.length);
  const workerUrl = options.workerUrl ?? defaultWorker();
  if (jobs <= 1 || workerUrl === undefined) {
    for (let i = 0; i < inputs.length; i++) {
      const outcome = await runTask(task, inputs[i]);
      onDone?.(i + 1);
      yield outcome as Outcome<TaskOutput<Name>>;
    }
    return;
  }
  const pool = new Pool(task, inputs, workerUrl, onDone);
  try {
    for (let i = 0; i < jobs; i++) pool.start();
    for (let i = 0; i < inputs.length; i++) yield (await pool.outcome(i)) as Outcome<TaskOutput<Name>>;
  } finally {
    await pool.stop();
  }
}

class Pool {
  readonly #task: TaskName;
  readonly #inputs: readonly unknown[];
  readonly #workerUrl: URL;
  readonly #onDone: ((done: number) => void) | undefined;
  readonly #workers = new Set<Worker>();
  readonly #outcomes = new Map<number, Outcome<unknown>>();
  readonly #waiting = new Map<number, (outcome: Outcome<unknown>) => void>();
  #next = 0;
  #done = 0;
  #stopped = false;

  constructor(task: TaskName, inputs: readonly unknown[], workerUrl: URL, onDone?: (done: number) => void) {
    this.#task = task;
    this.#inputs = inputs;
    this.#workerUrl = workerUrl;
    this.#onDone = onDone;
  }

  /** One more thread; it takes inputs until there are none left. */
  start(): void {
    if (this.#stopped || this.#next >= this.#inputs.length) return;
    const worker = new Worker(this.#workerUrl);
    this.#workers.add(worker);
    let current: number | undefined;
    let lastWords = 'it exited';
    const takeNext = (): void => {
      current = this.#next < this.#inputs.length ? this.#next++ : undefined;
      if (current === undefined) return void worker.terminate();
      const request: WorkerRequest = { index: current, task: this.#task, input: this.#inputs[current] };
      worker.postMessage(request);
    };
    worker.on('message', ({ index, outcome }: WorkerReply) => {
      current = undefined;
      this.#settle(index, outcome);
      takeNext();
    });
    worker.on('messageerror', error => {
      lastWords = error.message;
      void worker.terminate();
    });
    worker.on('error', error => {
      lastWords = error instanceof Error ? error.message : String(error);
    });
    worker.on('exit', () => {
      this.#workers.delete(worker);
      if (current === undefined) return;
      this.#settle(current, crashed(lastWords));
      this.start();
    });
    takeNext();
  }

  #settle(index: number, outcome: Outcome<unknown>): void {
    this.#onDone?.(++this.#done);
    const resolve = this.#waiting.get(index);
    this.#waiting.delete(index);
    if (resolve === undefined) this.#outcomes.set(index, outcome);
    else resolve(outcome);
  }

  outcome(index: number): Promise<Outcome<unknown>> {
    const outcome = this.#outcomes.get(index);
    this.#outcomes.delete(index);
    return outcome === undefined ? new Promise(resolve => this.#waiting.set(index, resolve)) : Promise.resolve(outcome);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#next = this.#inputs.length;
    await Promise.all([...this.#workers].map(worker => worker.terminate()));
  }
}
