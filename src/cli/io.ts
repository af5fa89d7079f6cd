/** Where text goes: the process's streams, or strings in tests. */
export interface OutStream {
  write(chunk: string | Uint8Array): void;
  readonly isTTY: boolean;
}

/** Everything of the outside that commands touch, apart from files and worker threads. */
export interface Io {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdout: OutStream;
  readonly stderr: OutStream;
  /** All of standard input, in pieces. */
  stdin(): AsyncIterable<Uint8Array>;
  /** Milliseconds of a clock that never goes back, for progress and durations. */
  now(): number;
}

function outStream(stream: NodeJS.WriteStream): OutStream {
  return {
    write: chunk => void stream.write(chunk),
    get isTTY() {
      return stream.isTTY === true;
    },
  };
}

/** The process's own streams and environment. A reader that goes away (`farcall … | head`) ends the process quietly. */
export function processIo(): Io {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE') process.exit(0);
      throw error;
    });
  }
  return {
    env: process.env,
    stdout: outStream(process.stdout),
    stderr: outStream(process.stderr),
    stdin: () => process.stdin,
    now: () => performance.now(),
  };
}
