import { Cuts } from '../../cuts.ts';
import { JCC8, JMP8, JMP32 } from '../encode.ts';
import { nops, patchNops } from '../nops.ts';
import { FIX_8, FIX_ANY } from './control-rows.ts';
import type { X86Emission } from './emission.ts';

/** Jumps no further than this take eight bits. */
export const SHORT_BYTES = 120;
/** Bytes loops begin at a multiple of. */
const LOOP_ALIGN = 16;

/** Before jumps have their lengths, by as much as may ever be necessary. */
export function alignLoop({ c, pads, short }: X86Emission): void {
  if (!short) pads.push(c.length);
  nops(c, short ? -c.length & (LOOP_ALIGN - 1) : LOOP_ALIGN - 1);
}

/** Jumps that reach with eight bits get those, loops what they need to be aligned: code only shrinks from what it was. */
export function shorten(e: X86Emission): void {
  const { c, pads } = e;
  const cuts = new Cuts();
  const { fixupCount } = c;
  let pad = 0;
  for (let n = 0; n <= fixupCount; n++) {
    const off = n < fixupCount ? c.fixupOff(n) : c.length;
    for (; pad < pads.length && pads[pad] < off; pad++) {
      const needed = -(pads[pad] - cuts.goneBytes) & (LOOP_ALIGN - 1);
      patchNops(c, pads[pad], needed);
      cuts.add(pads[pad] + needed, pads[pad] + LOOP_ALIGN - 1);
    }
    if (n === fixupCount || c.fixupKind(n) !== FIX_ANY) continue;
    const end = off + 4;
    if (Math.abs(c.offsetOf(c.fixupLabel(n)) - end) > SHORT_BYTES) continue;
    const opcode = c.peekU8(off - 1);
    if (opcode === JMP32) {
      c.patchU8(off - 1, JMP8);
      c.changeFixup(n, off, FIX_8);
      cuts.add(off + 1, end);
    } else {
      // 0f 80 and the condition; the byte of the distance stays where the condition was.
      c.patchU8(off - 2, JCC8 | (opcode & 15));
      c.changeFixup(n, off - 1, FIX_8);
      cuts.add(off, end);
    }
  }
  e.cut(cuts);
}
