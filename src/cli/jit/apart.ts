import type { LayoutRow, Placement } from '../../kernels/index.ts';
import { usageError } from '../failure.ts';

/** Functions of the first program loaded, each `bytes` behind the one before; other programs where there is room. */
export function apartPlacement(
  layout: LayoutRow,
  bytes: bigint,
): (program: string, index: number) => Placement | undefined {
  if (bytes % 64n !== 0n || bytes < 4096n) {
    throw usageError('--apart is not usable', 'a multiple of 64, at least 4096', `${bytes}`);
  }
  let first: string | undefined;
  return (program, index) => {
    first ??= program;
    return program === first ? { at: layout.images.start + BigInt(index) * bytes } : undefined;
  };
}
