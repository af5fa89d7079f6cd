import { BPF_ALU, BPF_ALU64, BPF_LD, CALL, MAY_GOTO } from '../../isa/index.ts';
import type { Fixup } from './context.ts';
import { fixDivMod } from './div-mod.ts';
import { fixCall } from './helper-call.ts';
import { fixPacketLoad } from './ld-abs.ts';
import { fixMayGoto } from './may-goto.ts';

const DIV_MOD = [0x30, 0x38, 0x90, 0x98].flatMap(op => [BPF_ALU | op, BPF_ALU64 | op]);
const PACKET_LOADS = [0x20, 0x28, 0x30, 0x40, 0x48, 0x50].map(code => BPF_LD | code);

/** What becomes of an instruction by its code: one row a kind that JITs do not take as it is. */
export const FIXUPS: readonly (Fixup | undefined)[] = (() => {
  const rows: (Fixup | undefined)[] = new Array(256).fill(undefined);
  for (const code of DIV_MOD) rows[code] = fixDivMod;
  for (const code of PACKET_LOADS) rows[code] = fixPacketLoad;
  rows[MAY_GOTO] = fixMayGoto;
  rows[CALL] = fixCall;
  return rows;
})();
