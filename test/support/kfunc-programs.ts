import type { Btf } from '../../src/btf/index.ts';
import { CALL, makeInsn, ProgramBuilder, R0, R1, R2, R3, R4, R5, R6, R7, R10 } from '../../src/isa/index.ts';
import { bpf_func_id, bpf_prog_type } from '../../src/uapi/index.ts';
import type { ProgFileEntry } from './prog-file.ts';

const { BPF_PROG_TYPE_XDP: XDP, BPF_PROG_TYPE_SCHED_CLS: TC, BPF_PROG_TYPE_SYSCALL: SYSCALL } = bpf_prog_type;
const { BPF_PROG_TYPE_SOCKET_FILTER: SOCKET, BPF_PROG_TYPE_KPROBE: KPROBE } = bpf_prog_type;
const SLEEPABLE = 16;

type Call = (name: string) => ProgramBuilder;
type Make = (b: ProgramBuilder, call: Call) => unknown;

/** `fp(-8)`: R1 points there. */
const at = (b: ProgramBuilder, reg: typeof R1, off: number): ProgramBuilder => b.mov(reg, R10).alu64('add', reg, off);
const done = (b: ProgramBuilder): ProgramBuilder => b.mov(R0, 0).exit();

function numNew(b: ProgramBuilder, call: Call, off = -8, from = 0, to = 3): ProgramBuilder {
  at(b, R1, off).mov(R2, from).mov(R3, to);
  return call('bpf_iter_num_new');
}
/** `while (bpf_iter_num_next(&it)) body;` and the end of the iterator. */
function numLoop(b: ProgramBuilder, call: Call, body: () => unknown): ProgramBuilder {
  b.label('loop');
  at(b, R1, -8);
  call('bpf_iter_num_next').jumpIf('jeq', R0, 0, 'end');
  body();
  b.jump('loop').label('end');
  at(b, R1, -8);
  return call('bpf_iter_num_destroy');
}
/** A task in R0, or the program ends. */
function task(b: ProgramBuilder, call: Call): ProgramBuilder {
  b.mov(R1, 1);
  return call('bpf_task_from_pid').jumpIf('jne', R0, 0, 'task').mov(R0, 0).exit().label('task');
}
function dynptr(b: ProgramBuilder, call: Call, name = 'bpf_dynptr_from_xdp'): ProgramBuilder {
  b.mov(R2, 0);
  at(b, R3, -16);
  return call(name);
}
function slice(b: ProgramBuilder, call: Call, size: number, name = 'bpf_dynptr_slice'): ProgramBuilder {
  at(b, R1, -16).mov(R2, 0);
  at(b, R3, -32).mov(R4, size);
  return call(name);
}

interface Row {
  readonly name: string;
  readonly type: number;
  readonly flags: number;
  readonly make: Make;
}
const row = (name: string, type: number, make: Make, flags = type === SYSCALL ? SLEEPABLE : 0): Row => ({
  name,
  type,
  flags,
  make,
});

const ROWS: readonly Row[] = [
  row('iter: counts, forgets', SOCKET, (b, call) => {
    b.mov(R6, 0);
    numNew(b, call);
    done(numLoop(b, call, () => b.alu64('add', R6, 1)));
  }),
  row('iter: a number the loop relies on', SOCKET, (b, call) => {
    b.mov(R6, 0).mov(R7, 1);
    numNew(b, call);
    numLoop(b, call, () => b.jumpIf('jne', R7, 1, 'odd').mov(R6, 7).mov(R7, 2).label('odd'));
    at(b, R1, -64).alu64('add', R1, R6).store('b', R1, 0, 1);
    done(b);
  }),
  row('iter: never destroyed', SOCKET, (b, call) => done(numNew(b, call))),
  row('iter: made twice in one place', SOCKET, (b, call) => {
    numNew(b, call);
    done(numNew(b, call));
  }),
  row('iter: stepped before it is made', SOCKET, (b, call) => {
    at(b, R1, -8);
    done(call('bpf_iter_num_next'));
  }),
  row('iter: destroyed twice', SOCKET, (b, call) => {
    numNew(b, call);
    for (let i = 0; i < 2; i++) {
      at(b, R1, -8);
      call('bpf_iter_num_destroy');
    }
    done(b);
  }),
  row('iter: not aligned', SOCKET, (b, call) => done(numNew(b, call, -12))),
  row('iter: not on the stack', SOCKET, (b, call) => {
    b.mov(R2, 0).mov(R3, 3);
    done(call('bpf_iter_num_new'));
  }),
  row('iter: read as memory', SOCKET, (b, call) => {
    numNew(b, call);
    b.load('dw', R6, R10, -8);
    at(b, R1, -8);
    done(call('bpf_iter_num_destroy'));
  }),
  row('iter: written over', SOCKET, (b, call) => {
    numNew(b, call);
    b.store('dw', R10, -8, 0);
    at(b, R1, -8);
    done(call('bpf_iter_num_destroy'));
  }),
  row('iter: element used without a check', SOCKET, (b, call) => {
    numNew(b, call);
    at(b, R1, -8);
    call('bpf_iter_num_next').load('w', R6, R0, 0);
    at(b, R1, -8);
    done(call('bpf_iter_num_destroy'));
  }),
  row('iter: element written', SOCKET, (b, call) => {
    numNew(b, call);
    done(numLoop(b, call, () => b.store('w', R0, 0, 1)));
  }),
  row('iter: elements of bits', SOCKET, (b, call) => {
    b.store('dw', R10, -24, 5);
    at(b, R1, -16);
    at(b, R2, -24).mov(R3, 1);
    call('bpf_iter_bits_new').label('again');
    at(b, R1, -16);
    call('bpf_iter_bits_next').jumpIf('jne', R0, 0, 'again');
    at(b, R1, -16);
    done(call('bpf_iter_bits_destroy'));
  }),
  row('iter: destroyed as another kind', SOCKET, (b, call) => {
    numNew(b, call);
    at(b, R1, -8);
    done(call('bpf_iter_bits_destroy'));
  }),
  row('iter: tasks inside an RCU section', SYSCALL, (b, call) => {
    call('bpf_rcu_read_lock');
    at(b, R1, -24).mov(R2, 0).mov(R3, 0);
    call('bpf_iter_task_new').label('again');
    at(b, R1, -24);
    call('bpf_iter_task_next').jumpIf('jne', R0, 0, 'again');
    at(b, R1, -24);
    call('bpf_iter_task_destroy');
    done(call('bpf_rcu_read_unlock'));
  }),
  row('iter: tasks after the RCU section', SYSCALL, (b, call) => {
    call('bpf_rcu_read_lock');
    at(b, R1, -24).mov(R2, 0).mov(R3, 0);
    call('bpf_iter_task_new');
    call('bpf_rcu_read_unlock');
    at(b, R1, -24);
    call('bpf_iter_task_next');
    at(b, R1, -24);
    done(call('bpf_iter_task_destroy'));
  }),
  row('rcu: matched', SOCKET, (_b, call) => {
    call('bpf_rcu_read_lock');
    done(call('bpf_rcu_read_unlock'));
  }),
  row('rcu: never unlocked', SOCKET, (_b, call) => done(call('bpf_rcu_read_lock'))),
  row('rcu: never locked', SOCKET, (_b, call) => done(call('bpf_rcu_read_unlock'))),
  row('rcu: nested', SOCKET, (_b, call) => {
    call('bpf_rcu_read_lock');
    done(call('bpf_rcu_read_lock'));
  }),
  row('rcu: sleeping inside', SYSCALL, (b, call) => {
    b.store('dw', R10, -8, 0);
    call('bpf_rcu_read_lock');
    at(b, R1, -8).mov(R2, 8).mov(R3, 0).mov(R4, 0);
    call('bpf_copy_from_user_str');
    done(call('bpf_rcu_read_unlock'));
  }),
  row('preempt: matched twice', SOCKET, (b, call) => {
    for (const name of ['disable', 'disable', 'enable', 'enable']) call(`bpf_preempt_${name}`);
    done(b);
  }),
  row('preempt: left disabled', SOCKET, (_b, call) => done(call('bpf_preempt_disable'))),
  row('preempt: enabled only', SOCKET, (_b, call) => done(call('bpf_preempt_enable'))),
  row('preempt: sleeping inside', SYSCALL, (b, call) => {
    call('bpf_preempt_disable');
    at(b, R1, -8).mov(R2, 8).mov(R3, 0).mov(R4, 0);
    call('bpf_copy_from_user_str');
    done(call('bpf_preempt_enable'));
  }),
  row('sleepable function, program that may sleep', SYSCALL, (b, call) => {
    at(b, R1, -8).mov(R2, 8).mov(R3, 0).mov(R4, 0);
    done(call('bpf_copy_from_user_str'));
  }),
  row('sleepable function, program that may not', SOCKET, (b, call) => {
    at(b, R1, -8).mov(R2, 8).mov(R3, 0).mov(R4, 0);
    done(call('bpf_copy_from_user_str'));
  }),
  row('not for this type of program', SOCKET, (b, call) => {
    b.mov(R1, 1);
    done(call('bpf_task_from_pid'));
  }),
  row('not for kprobes that are no sessions', KPROBE, (_b, call) => done(call('bpf_session_is_return'))),
  row('no kernel function', SOCKET, (_b, call) => done(call('bpf_lsm_file_open'))),
  row('task: acquired, released', SYSCALL, (b, call) => {
    task(b, call).mov(R1, R0);
    done(call('bpf_task_release'));
  }),
  row('task: acquired, kept', SYSCALL, (b, call) => done(task(b, call))),
  row('task: released without a check', SYSCALL, (b, call) => {
    b.mov(R1, 1);
    call('bpf_task_from_pid').mov(R1, R0);
    done(call('bpf_task_release'));
  }),
  row('task: released twice', SYSCALL, (b, call) => {
    task(b, call).mov(R6, R0).mov(R1, R6);
    call('bpf_task_release').mov(R1, R6);
    done(call('bpf_task_release'));
  }),
  row('task: another object', SYSCALL, (b, call) => {
    task(b, call).mov(R1, R0);
    done(call('bpf_cgroup_release'));
  }),
  row('task: at an offset', SYSCALL, (b, call) => {
    task(b, call).mov(R1, R0).alu64('add', R1, 8);
    done(call('bpf_task_release'));
  }),
  row('task: the current one again', SYSCALL, (b, call) => {
    b.helper(bpf_func_id.BPF_FUNC_get_current_task_btf).mov(R1, R0);
    call('bpf_task_acquire').jumpIf('jeq', R0, 0, 'end').mov(R1, R0);
    call('bpf_task_release').label('end');
    done(b);
  }),
  row('task: a member that is not trusted', SYSCALL, (b, call) => {
    b.helper(bpf_func_id.BPF_FUNC_get_current_task_btf).load('dw', R1, R0, 2000);
    done(call('bpf_task_acquire'));
  }),
  row('task: a context in its place', SYSCALL, (_b, call) => done(call('bpf_task_release'))),
  row('cpumask: made, changed, released', SYSCALL, (b, call) => {
    call('bpf_cpumask_create').jumpIf('jeq', R0, 0, 'end').mov(R6, R0).mov(R1, 3).mov(R2, R6);
    call('bpf_cpumask_set_cpu').mov(R1, R6);
    call('bpf_cpumask_first').mov(R1, R6);
    call('bpf_cpumask_release').label('end');
    done(b);
  }),
  row('cpumask: changed through a number', SYSCALL, (b, call) => {
    b.mov(R1, 3).mov(R2, 5);
    done(call('bpf_cpumask_set_cpu'));
  }),
  row('cpumask: index that is no number', SYSCALL, (b, call) => {
    b.mov(R2, R1);
    done(call('bpf_cpumask_set_cpu'));
  }),
  row('dynptr: slice of a packet', XDP, (b, call) => {
    dynptr(b, call);
    slice(b, call, 14).jumpIf('jeq', R0, 0, 'end').load('h', R6, R0, 12).label('end');
    done(b);
  }),
  row('dynptr: beyond the slice', XDP, (b, call) => {
    dynptr(b, call);
    slice(b, call, 14).jumpIf('jeq', R0, 0, 'end').load('w', R6, R0, 12).label('end');
    done(b);
  }),
  row('dynptr: slice nobody may write', XDP, (b, call) => {
    dynptr(b, call);
    slice(b, call, 14).jumpIf('jeq', R0, 0, 'end').store('b', R0, 0, 1).label('end');
    done(b);
  }),
  row('dynptr: slice that may be written', XDP, (b, call) => {
    dynptr(b, call);
    slice(b, call, 14, 'bpf_dynptr_slice_rdwr').jumpIf('jeq', R0, 0, 'end').store('b', R0, 0, 1).label('end');
    done(b);
  }),
  row('dynptr: slice of unknown size', XDP, (b, call) => {
    dynptr(b, call);
    b.helper(bpf_func_id.BPF_FUNC_get_prandom_u32).alu64('and', R0, 7).mov(R5, R0);
    at(b, R1, -16).mov(R2, 0);
    at(b, R3, -32).mov(R4, R5);
    done(call('bpf_dynptr_slice'));
  }),
  row('dynptr: slice larger than its buffer', XDP, (b, call) => {
    dynptr(b, call);
    done(slice(b, call, 64));
  }),
  row('dynptr: size, moved, cloned', TC, (b, call) => {
    dynptr(b, call, 'bpf_dynptr_from_skb');
    at(b, R1, -16).mov(R2, 1).mov(R3, 5);
    call('bpf_dynptr_adjust');
    at(b, R1, -16);
    at(b, R2, -32);
    call('bpf_dynptr_clone');
    at(b, R1, -32);
    done(call('bpf_dynptr_size'));
  }),
  row('dynptr: clone of nothing', TC, (b, call) => {
    at(b, R1, -16);
    at(b, R2, -32);
    done(call('bpf_dynptr_clone'));
  }),
  row('dynptr: of another context', XDP, (b, call) => done(dynptr(b, call, 'bpf_dynptr_from_skb'))),
  row('cast: what the kernel has for a context', TC, (b, call) => {
    call('bpf_cast_to_kern_ctx').load('w', R6, R0, 112);
    done(b);
  }),
  row('cast: no context', TC, (b, call) => {
    at(b, R1, -8);
    done(call('bpf_cast_to_kern_ctx'));
  }),
  row('cast: to a number', SOCKET, (b, call) => {
    b.mov(R1, 0).mov(R2, 1);
    done(call('bpf_rdonly_cast'));
  }),
  row('cast: to a type nobody knows yet', SOCKET, (b, call) => {
    b.helper(bpf_func_id.BPF_FUNC_get_prandom_u32).mov(R1, 0).mov(R2, R0);
    done(call('bpf_rdonly_cast'));
  }),
  row('object: of a program without BTF', SYSCALL, (b, call) => {
    b.mov(R1, 1).mov(R2, 0);
    done(call('bpf_obj_new_impl'));
  }),
  row('object: type beyond 32 bits', SYSCALL, (b, call) => {
    b.imm64(R1, 1n << 32n).mov(R2, 0);
    done(call('bpf_obj_new_impl'));
  }),
  row('throw: ends the program', SYSCALL, (b, call) => {
    b.mov(R1, 0);
    call('bpf_throw');
    done(b);
  }),
  row('throw: while holding a task', SYSCALL, (b, call) => {
    task(b, call).mov(R1, 0);
    call('bpf_throw');
    done(b);
  }),
  row('throw: any number as cookie', TC, (b, call) => {
    b.helper(bpf_func_id.BPF_FUNC_get_prandom_u32).mov(R1, R0);
    call('bpf_throw');
    done(b);
  }),
  row('cgroup: from an id, its ancestor', SYSCALL, (b, call) => {
    b.mov(R1, 1);
    call('bpf_cgroup_from_id').jumpIf('jeq', R0, 0, 'end').mov(R6, R0).mov(R1, R0).mov(R2, 0);
    call('bpf_cgroup_ancestor').jumpIf('jeq', R0, 0, 'one').mov(R1, R0);
    call('bpf_cgroup_release').label('one').mov(R1, R6);
    call('bpf_cgroup_release').label('end');
    done(b);
  }),
  row('list: a head that is none', SYSCALL, (b, call) => {
    at(b, R1, -16);
    done(call('bpf_list_pop_front'));
  }),
];

/** Programs that call kernel functions, well and badly, for a kernel with this BTF. Twins differ in one thing. */
export function kfuncPrograms(btf: Btf): readonly ProgFileEntry[] {
  return ROWS.map(({ name, type, flags, make }) => {
    const b = new ProgramBuilder();
    make(b, func => b.raw(makeInsn(CALL, 0, 2, 0, btf.findByName(func, 'FUNC'))));
    return { name: name.replaceAll(' ', '_'), type, flags, insns: b.build() };
  });
}
