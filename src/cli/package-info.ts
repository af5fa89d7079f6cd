import { readFileSync } from 'node:fs';

/** Both `src/cli/` and `dist/cli/` lie two folders below the package. */
const PACKAGE_URL = new URL('../../', import.meta.url);

/** A file that is part of the package. */
export function packageFile(path: string): URL {
  return new URL(path, PACKAGE_URL);
}

/** The version in package.json. */
export function packageVersion(): string {
  const { version } = JSON.parse(readFileSync(packageFile('package.json'), 'utf8')) as { version: string };
  return version;
}
