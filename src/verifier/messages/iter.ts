import { plain, row } from './row.ts';

/** What the verifier says of open-coded iterators. */
export const ITER_MESSAGES = {
  iterNotStack: row('EINVAL', (arg: number) => `arg#${arg} expected pointer to an iterator on stack`),
  iterArgType: row('EINVAL', (arg: number) => `expected valid iter pointer as arg #${arg}`),
  iterNotUninit: row('EINVAL', (kind: string, arg: number) => `expected uninitialized iter_${kind} as arg #${arg}`),
  iterNotInit: row('EINVAL', (kind: string, arg: number) => `expected an initialized iter_${kind} as arg #${arg}`),
  iterNoRcu: row('EPROTO', (name: string) => `expected an RCU CS when using ${name}`),
  iterParent: plain('EFAULT', 'bug: bad parent state for iter next call'),
  iterState: row(
    'EFAULT',
    (state: number, name: string) => `verifier internal error: unexpected iterator state ${state} (${name})`,
  ),
} as const;
