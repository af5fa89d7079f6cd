// Programs that more than one benchmark measures, from the instruction room of the build in hand.

/** What compilers make of packet programs, roughly: a third arithmetic, a third memory, branches, constants, calls of a function, if any. */
export function compiled({ ProgramBuilder, R0, R1, R2, R3, R6, R7, R10 }, size, calls = true) {
  const b = new ProgramBuilder();
  b.mov(R6, R1).mov(R7, 0).mov(R0, 0);
  for (let n = 0; 11.4 * n < size - 12; n++) {
    b.load('w', R2, R6, (n * 4) % 64)
      .alu64('add', R2, n & 0xffff)
      .mov(R3, R2)
      .alu64('rsh', R3, 7)
      .alu32('xor', R3, R2)
      .store('dw', R10, -8 * (1 + (n % 16)), R3)
      .jumpIf('jgt', R3, R7, `l${n}`)
      .alu64('and', R3, 0xff)
      .alu64('or', R7, R3)
      .label(`l${n}`)
      .load('dw', R2, R10, -8 * (1 + (n % 16)))
      .alu64('add', R7, R2);
    if (n % 12 === 0) b.imm64(R2, 0xc000000012345678n + BigInt(n)).alu64('add', R7, R2);
    if (calls && n % 20 === 0) b.mov(R1, R7).call('leaf').alu64('add', R7, R0);
  }
  b.mov(R0, R7).exit();
  if (calls) b.label('leaf').mov(R0, R1).alu64('mul', R0, 31).exit();
  return b.build();
}

/**
 * As {@link compiled}, in functions of about a hundred instructions, or of more where Linux would refuse as many: chains of eight
 * that main calls.
 */
export function compiledInFunctions({ ProgramBuilder, R0, R1, R2, R3, R6, R7, R10 }, size) {
  const CHAIN = 8;
  // BPF_MAX_SUBPROGS
  const count = Math.max(1, Math.min(256, Math.round(size / 98)));
  const rounds = Math.round((size / count - 8) / 11);
  const b = new ProgramBuilder();
  for (let f = 0; f < count; f++) {
    if (f > 0) b.label(`f${f}`);
    b.mov(R6, R1).mov(R7, 0).mov(R0, 0);
    for (let n = 0; n < rounds; n++) {
      b.load('w', R2, R6, (n * 4) % 64)
        .alu64('add', R2, (f * rounds + n) & 0xffff)
        .mov(R3, R2)
        .alu64('rsh', R3, 7)
        .alu32('xor', R3, R2)
        .store('dw', R10, -8 * (1 + (n % 16)), R3)
        .jumpIf('jgt', R3, R7, `l${f} ${n}`)
        .alu64('and', R3, 0xff)
        .alu64('or', R7, R3)
        .label(`l${f} ${n}`)
        .load('dw', R2, R10, -8 * (1 + (n % 16)))
        .alu64('add', R7, R2);
    }
    const call = callee => b.mov(R1, R6).call(`f${callee}`).alu64('add', R7, R0);
    if (f === 0) for (let first = 1; first < count; first += CHAIN) call(first);
    else if (f % CHAIN !== 0 && f + 1 < count) call(f + 1);
    b.mov(R0, R7).exit();
  }
  return b.build();
}

/** XDP_PASS for IPv4, XDP_DROP for the rest: bounds check and two loads. */
export const tinyXdp = ({ ProgramBuilder, R0, R1, R2, R3, R4 }) =>
  new ProgramBuilder()
    .load('w', R2, R1, 0)
    .load('w', R3, R1, 4)
    .mov(R4, R2)
    .alu64('add', R4, 14)
    .mov(R0, 1)
    .jumpIf('jgt', R4, R3, 'end')
    .load('h', R4, R2, 12)
    .jumpIf('jne', R4, 8, 'end')
    .mov(R0, 2)
    .label('end')
    .exit()
    .build();
