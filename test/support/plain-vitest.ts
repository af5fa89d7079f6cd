import { JestAsymmetricMatchers, JestChaiExpect, JestExtend } from '@vitest/expect';
import * as chai from 'chai';

/*
 * What tests use of vitest, for processes in which vitest does not run: `describe`, `it` and `expect`. Tests run when `runTests` is
 * called, one after another.
 */

interface Test {
  readonly name: string;
  readonly body: () => unknown;
}

const tests: Test[] = [];
const trail: string[] = [];

type Body = (...row: unknown[]) => unknown;

/** Words of a row in a name: %s and the like. */
const named = (name: string, row: readonly unknown[]): string => {
  let at = 0;
  return name.replace(/%[sidj]/g, () => String(row[at++]));
};

function add(name: string, body: () => unknown): void {
  tests.push({ name: [...trail, name].join(' > '), body });
}

function each(give: (name: string, body: () => unknown) => void) {
  return (rows: readonly unknown[]) => (name: string, body: Body) => {
    for (const row of rows) {
      const args = Array.isArray(row) ? row : [row];
      give(named(name, args), () => body(...args));
    }
  };
}

function group(name: string, body: () => unknown): void {
  trail.push(name);
  body();
  trail.pop();
}

const skipped = (name: string): void => void process.stdout.write(`skipped: ${[...trail, name].join(' > ')}\n`);

export const it = Object.assign(add, { each: each(add), skip: skipped });
export const describe = Object.assign(group, {
  each: each(group),
  skipIf: (skips: boolean) => (skips ? skipped : group),
});

chai.use(JestExtend);
chai.use(JestChaiExpect);
chai.use(JestAsymmetricMatchers);
export const expect = chai.expect;

/** Runs what was collected and is wanted; how many failed. */
export async function runTests(wanted: (name: string) => boolean = () => true): Promise<number> {
  let failed = 0;
  const chosen = tests.filter(({ name }) => wanted(name));
  for (const { name, body } of chosen) {
    try {
      await body();
    } catch (error) {
      failed++;
      process.stdout.write(`failed: ${name}\n${error instanceof Error ? error.stack : String(error)}\n`);
    }
  }
  process.stdout.write(`${chosen.length - failed} passed, ${failed} failed\n`);
  return failed;
}
