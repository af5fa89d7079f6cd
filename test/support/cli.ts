import { main } from '../../src/cli/main.ts';
import { concatBytes, decodeText, encodeText } from '../../src/util/index.ts';

export interface CliResult {
  readonly exit: number;
  readonly stdout: string;
  readonly stdoutBytes: Uint8Array;
  readonly stderr: string;
}

export interface CliOptions {
  readonly stdin?: string | Uint8Array;
  readonly env?: Readonly<Record<string, string>>;
  readonly tty?: boolean;
  /** Readings of the clock, the last one repeated; default 0. */
  readonly clock?: readonly number[];
}

/** Runs a farcall command line inside this process and catches what it prints. */
export async function farcall(argv: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  const caught: { readonly out: Uint8Array[]; readonly err: Uint8Array[] } = { out: [], err: [] };
  const stream = (parts: Uint8Array[]) => ({
    isTTY: options.tty ?? false,
    write: (chunk: string | Uint8Array) =>
      void parts.push(typeof chunk === 'string' ? encodeText(chunk) : chunk.slice()),
  });
  const { stdin = '', clock = [0] } = options;
  let reading = 0;
  const exit = await main(argv, {
    env: options.env ?? {},
    stdout: stream(caught.out),
    stderr: stream(caught.err),
    async *stdin() {
      yield typeof stdin === 'string' ? encodeText(stdin) : stdin;
    },
    now: () => clock[Math.min(reading++, clock.length - 1)],
  });
  const stdoutBytes = concatBytes(caught.out);
  return { exit, stdoutBytes, stdout: decodeText(stdoutBytes), stderr: decodeText(concatBytes(caught.err)) };
}
