import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { contextAccessAllowed, contextLayout } from './fields.ts';

/** One line a program type, access and size: the offsets at which Linux 6.12.107 accepted it. */
const ANSWERS = readFileSync(
  join(import.meta.dirname, '../../testdata/kernel/context-access-6.12.107-amd64.tsv'),
  'utf8',
)
  .trimEnd()
  .split('\n')
  .map(line => line.split('\t'));

describe('context access as Linux 6.12 allows it', () => {
  it.each(ANSWERS)('program type %s: %s of %s bytes', (type, access, size, offsets) => {
    const layout = contextLayout(Number(type));
    expect(layout).toBeDefined();
    const allowed: number[] = [];
    for (let off = 0; off < layout!.sizeBytes; off++) {
      // Unaligned offsets were not asked about, and are never allowed.
      if (contextAccessAllowed(layout!, off, Number(size), access as 'read' | 'write')) allowed.push(off);
    }
    expect(allowed.join(' ')).toBe(offsets ?? '');
  });
});
