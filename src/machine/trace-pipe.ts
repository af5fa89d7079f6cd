import type { TaskInfo } from '../helpers/index.ts';

/** Lines kept; older ones are dropped, as the kernel's ring buffer does. */
const LINES_MOST = 10_000;

/** What `bpf_printk` writes: lines as `/sys/kernel/tracing/trace_pipe` shows them. */
export class TracePipe {
  #lines: string[] = [];
  /** Lines dropped because nobody read them. */
  lost = 0;

  /**
   * ```
   *              comm-pid     [cpu] flags     seconds: function: text
   * ```
   * Source: `kernel/trace/trace_output.c: trace_print_context`. The flags are those of a program that runs with
   * preemption off.
   */
  write(text: string, task: TaskInfo, cpu: number, nowNs: bigint): void {
    const seconds = `${nowNs / 1_000_000_000n}.${String((nowNs / 1000n) % 1_000_000n).padStart(6, '0')}`;
    const who = `${task.comm.padStart(16)}-${String(task.pid).padEnd(7)}`;
    const line = `${who} [${String(cpu).padStart(3, '0')}] ...11 ${seconds.padStart(12)}: bpf_trace_printk: ${text.replace(/\n$/, '')}`;
    if (this.#lines.length >= LINES_MOST) {
      this.#lines.shift();
      this.lost++;
    }
    this.#lines.push(line);
  }

  /** Takes the lines out. */
  read(): string[] {
    const lines = this.#lines;
    this.#lines = [];
    return lines;
  }
}
