import { MAX_CALL_FRAMES } from '../../isa/index.ts';

/** Which registers and stack slots, frame by frame, still have to be precise while a path is walked back (`struct backtrack_state`). */
export class BacktrackState {
  frame = 0;
  readonly regMasks = new Int32Array(MAX_CALL_FRAMES);
  /** Slots 0..31 and 32..63. */
  readonly stackLo = new Int32Array(MAX_CALL_FRAMES);
  readonly stackHi = new Int32Array(MAX_CALL_FRAMES);
  /** End of the part of the history not walked back yet. */
  histEnd = 0;

  reset(): void {
    this.frame = 0;
    this.regMasks.fill(0);
    this.stackLo.fill(0);
    this.stackHi.fill(0);
  }
  get empty(): boolean {
    let mask = 0;
    for (let i = 0; i <= this.frame; i++) mask |= this.regMasks[i] | this.stackLo[i] | this.stackHi[i];
    return mask === 0;
  }
  get regMask(): number {
    return this.regMasks[this.frame];
  }
  get stackEmpty(): boolean {
    return (this.stackLo[this.frame] | this.stackHi[this.frame]) === 0;
  }
  setReg(reg: number): void {
    this.regMasks[this.frame] |= 1 << reg;
  }
  clearReg(reg: number): void {
    this.regMasks[this.frame] &= ~(1 << reg);
  }
  isRegSet(reg: number): boolean {
    return (this.regMasks[this.frame] & (1 << reg)) !== 0;
  }
  setFrameReg(frame: number, reg: number): void {
    this.regMasks[frame] |= 1 << reg;
  }
  clearFrameReg(frame: number, reg: number): void {
    this.regMasks[frame] &= ~(1 << reg);
  }
  isFrameRegSet(frame: number, reg: number): boolean {
    return (this.regMasks[frame] & (1 << reg)) !== 0;
  }
  setFrameSlot(frame: number, spi: number): void {
    if (spi < 32) this.stackLo[frame] |= 1 << spi;
    else this.stackHi[frame] |= 1 << (spi - 32);
  }
  clearFrameSlot(frame: number, spi: number): void {
    if (spi < 32) this.stackLo[frame] &= ~(1 << spi);
    else this.stackHi[frame] &= ~(1 << (spi - 32));
  }
  isFrameSlotSet(frame: number, spi: number): boolean {
    return spi < 32 ? (this.stackLo[frame] & (1 << spi)) !== 0 : (this.stackHi[frame] & (1 << (spi - 32))) !== 0;
  }
}

/** `r0,r2,r4` for 0x15. */
export function fmtRegMask(mask: number): string {
  const names: string[] = [];
  for (let i = 0; i < 32; i++) if ((mask & (1 << i)) !== 0) names.push(`r${i}`);
  return names.join(',');
}

/** `-8,-24,-40` for 0x15. */
export function fmtStackMask(lo: number, hi: number): string {
  const names: string[] = [];
  for (let i = 0; i < 64; i++) {
    if (((i < 32 ? lo : hi) & (1 << (i & 31))) !== 0) names.push(`${-(i + 1) * 8}`);
  }
  return names.join(',');
}
