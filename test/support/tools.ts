import { accessSync, appendFileSync, constants, existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { expect, it } from 'vitest';

/** The path of a program on PATH. */
export function findTool(name: string): string | undefined {
  for (const dir of (process.env.PATH ?? '').split(delimiter)) {
    if (dir === '') continue;
    const path = join(dir, name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {}
  }
  return undefined;
}

/**
 * The path of a program a test cannot do without; call it while tests are collected. When it is missing, one line says what
 * is skipped and how to get it, and a skipped test stands in its place.
 *
 * Environment: `FARCALL_REQUIRE_TOOLS=1` makes the stand-in fail instead, for CI; `FARCALL_SKIPS=FILE` has a line added to
 * FILE for each missing program.
 */
export function requireTool(name: string, aptPackage: string): string | undefined {
  return required(findTool(name), name, aptPackage);
}

/** As {@link requireTool}, for a file of some package: its path. */
export function requireFile(path: string, aptPackage: string): string | undefined {
  return required(existsSync(path) ? path : undefined, path, aptPackage);
}

function required(path: string | undefined, name: string, aptPackage: string): string | undefined {
  if (path !== undefined) return path;
  const line = `skipped: tests that need ${name}, which is not installed (apt-get install ${aptPackage})`;
  console.log(line);
  if (process.env.FARCALL_SKIPS) appendFileSync(process.env.FARCALL_SKIPS, `${line}\n`);
  if (process.env.FARCALL_REQUIRE_TOOLS === '1') it(`finds ${name}`, () => expect.fail(line));
  else it.skip(`needs ${name}`, () => {});
  return undefined;
}
