import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { decodeInsns } from '../src/isa/index.ts';
import { createMachine } from '../src/machine/index.ts';
import { errnoName } from '../src/uapi/index.ts';
import { FarcallError, fromHex, toHex } from '../src/util/index.ts';

interface Answer {
  readonly name: string;
  readonly type: number;
  readonly insns: string;
  readonly data: string;
  readonly ctx?: string;
  readonly runErrno?: number;
  readonly retval?: number;
  readonly dataOut?: string;
}

function ask({ name, type, insns, data, ctx }: Answer): Pick<Answer, 'retval' | 'dataOut'> | string {
  const machine = createMachine();
  const program = machine.loadInsns(name, type, decodeInsns(fromHex(insns)));
  try {
    const result = machine.run(program, { dataIn: fromHex(data), ctxIn: ctx === undefined ? undefined : fromHex(ctx) });
    if (result.fault !== undefined) return result.fault.message;
    const dataOut = toHex(result.dataOut!);
    return { retval: result.retval, dataOut: dataOut === data ? '=' : dataOut };
  } catch (error) {
    if (error instanceof FarcallError) return /: (E[A-Z]+)/.exec(error.message)?.[1] ?? error.message;
    throw error;
  }
}

const dir = fileURLToPath(new URL('../testdata/kernel/', import.meta.url));
for (const file of readdirSync(dir).filter(name => /^(generated|test-run)-.*\.jsonl$/.test(name))) {
  describe(`the kernel of ${file} agrees`, () => {
    const answers = readFileSync(dir + file, 'utf8')
      .trim()
      .split('\n')
      .map(line => JSON.parse(line) as Answer);
    it(`on ${answers.length} programs`, () => {
      const different = answers.flatMap(answer => {
        const theirs =
          answer.runErrno === undefined
            ? { retval: answer.retval, dataOut: answer.dataOut }
            : errnoName(answer.runErrno);
        const ours = ask(answer);
        return JSON.stringify(ours) === JSON.stringify(theirs) ? [] : [{ name: answer.name, theirs, ours }];
      });
      expect(different).toEqual([]);
    });
  });
}
