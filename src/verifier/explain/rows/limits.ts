import { roundStackDepth } from '../../stack-depth.ts';
import type { ExplainCase } from '../case.ts';
import { bytesWords } from './access.ts';
import { reg, type TellRow, type Told } from './row.ts';

const tooLarge: TellRow = c => ({
  title: 'The program has too many paths to be verified',
  attempted:
    `The verifier walks through every path of a program and gives up after ${c.options.insnLimit ?? 'one million'} instructions. ` +
    'It did so here: below is where they went. Loops are walked round by round, and every branch inside doubles what ' +
    'is left to do unless both sides come out alike.',
  remedies: [
    'Make the busiest loop shorter, or use a bounded iterator or callback, which is verified once and not round by round: `bpf_for()`, `bpf_loop()`.',
    "Move a loop's body into a global function (not `static`): it is verified once, on its own, for any arguments.",
    'Let paths come out alike: initialise variables late, keep fewer values alive across the loop, and avoid branches that set flags for later.',
  ],
  budget: true,
});

const jumps: TellRow = c => ({
  title: 'Too many branches wait to be looked at',
  attempted:
    `At every branch the verifier puts one side aside for later; ${c.num(0)} of them wait on one path here, and 8192 may. ` +
    'That happens where a loop branches in every round, or in very long chains of comparisons.',
  remedies: [
    'Make the loop shorter, or use `bpf_loop()` or `bpf_for()` instead of an unrolled or long loop.',
    'Replace long chains of comparisons by a look-up in a map.',
  ],
  budget: true,
});

const infinite: TellRow = c => ({
  title: 'A loop that never ends',
  attempted:
    'The path comes back to this instruction with everything the verifier knows exactly as it was before. Nothing would end the loop then.',
  remedies: [
    "Change something in every round that the loop's condition depends on: count up to a constant limit, `for (int i = 0; i < 100; i++)`.",
    'If the condition depends on data only known at run time, add a limit of its own: `if (++rounds > 100) break;`.',
  ],
  subjects: loopSubjects(c),
});

/** Registers compared by branches of the loop that the path ends with. */
function loopSubjects(c: ExplainCase): { place: number }[] {
  const { steps } = c.recorder;
  const places = new Set<number>();
  for (let q = steps.length - 1; q >= 0 && places.size < 3; q--) {
    const insn = c.input.insns[steps[q].idx];
    const cls = insn.code & 7;
    const op = insn.code & 0xf0;
    if ((cls === 5 || cls === 6) && op !== 0 && op !== 0x80 && op !== 0x90) places.add(insn.dst);
    if (steps[q].idx === c.insnIdx) break;
  }
  return [...places].map(place => reg(place));
}

/** What functions have on the stack, deepest chain first. */
function stackLines(c: ExplainCase): string {
  const subprogs = c.env?.subprogs.list ?? [];
  const shown = subprogs
    .map(({ start, stackDepthBytes }) => ({
      name: c.sources.functionOf(start) || `function at ${start}`,
      stackDepthBytes,
    }))
    .filter(({ stackDepthBytes }) => stackDepthBytes > 0)
    .sort((a, b) => b.stackDepthBytes - a.stackDepthBytes)
    .slice(0, 8)
    .map(({ name, stackDepthBytes }) => `${name}() ${stackDepthBytes}`);
  return shown.length === 0 ? '' : ` Bytes by function: ${shown.join(', ')}.`;
}

const combined: TellRow = c => ({
  title: 'The functions together need too much stack',
  attempted:
    `A chain of ${c.num(0)} calls needs ${bytesWords(c.num(1))} of stack; all functions that are active at a time share 512. ` +
    `Each counts with its size rounded up to a multiple of ${roundStackDepth(1, true)}.${stackLines(c)}`,
  remedies: [
    'Keep large buffers in a per-CPU array map of one element: `bpf_map_lookup_elem(&scratch, &zero)`.',
    'Let callers and callees share one buffer through a pointer, or let the compiler inline a small function (`static __always_inline`).',
  ],
});

const frames = (c: ExplainCase): Told => ({
  title: 'Calls are nested too deep',
  attempted: `${c.num(0)} functions would be active at a time; 8 may. Recursion is not possible.`,
  remedies: ['Inline some of the functions (`static __always_inline`), or turn the recursion into a loop.'],
});

const tailDepth: TellRow = c => ({
  title: 'Too much stack below a tail call',
  attempted: `A tail call keeps the stack of the functions above it. They have ${bytesWords(c.num(0))}, and 256 may be.${stackLines(c)}`,
  remedies: ['Make the tail call from the outermost function, or use less stack in the functions that lead to it.'],
});

export const LIMIT_ROWS = {
  tooLarge,
  jumpsTooComplex: jumps,
  jumpsTooComplexAsync: jumps,
  infiniteLoop: infinite,
  combinedStack: combined,
  callFrames: frames,
  stackFrames: frames,
  tailCallDepth: tailDepth,
} satisfies Record<string, TellRow>;
