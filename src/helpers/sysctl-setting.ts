import { encodeText } from '../util/index.ts';

/** A setting a program is asked about. */
export interface Sysctl {
  /** `net/ipv4/tcp_mem` */
  readonly name: string;
  /** As it reads now. */
  readonly current: Uint8Array;
  /** What is being written; undefined while it is read. The program may put something else there. */
  next: Uint8Array | undefined;
}

/** What a run is about that says nothing of it. */
export const DEFAULT_SYSCTL: Sysctl = { name: 'kernel/hostname', current: encodeText('farcall\n'), next: undefined };
