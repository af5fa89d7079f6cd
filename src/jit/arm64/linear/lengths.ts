import { Cuts } from '../../cuts.ts';
import { branchKind, FIX_26, oppositeBranch, withoutDistance } from '../compare.ts';
import type { Arm64Emission } from './emission.ts';

/** A `b` that a conditional branch leads around, as its own label may be out of reach. */
export const FIX_FAR = 3;

/** As far as the shortest branch reaches: 32 KB, of which tbz takes the first word. */
const SHORT_BYTES = 0x7f00;
/** As many are hardly longer than that. */
export const SHORT_ROWS = SHORT_BYTES / 4;

/** Conditional branches that reach go where they lead themselves: code only shrinks from what it was. */
export function shorten(e: Arm64Emission): void {
  const { c } = e;
  const cuts = new Cuts();
  const { fixupCount } = c;
  for (let n = 0; n < fixupCount; n++) {
    if (c.fixupKind(n) !== FIX_FAR) continue;
    const off = c.fixupOff(n);
    if (Math.abs(c.offsetOf(c.fixupLabel(n)) - off) > SHORT_BYTES) {
      c.changeFixup(n, off, FIX_26);
      continue;
    }
    const word = withoutDistance(oppositeBranch(c.peekU32(off - 4)));
    c.patchU32(off - 4, word);
    c.changeFixup(n, off - 4, branchKind(word));
    cuts.add(off, off + 4);
  }
  e.cut(cuts);
}
