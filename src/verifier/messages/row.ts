import { ERRNO } from '../../uapi/index.ts';

/** A message of the verifier: its errno (positive) and its text. */
export interface MessageRow<Args extends readonly (string | number)[]> {
  readonly errno: number;
  readonly text: (...args: Args) => string;
}

export function row<Args extends readonly (string | number)[]>(
  errno: keyof typeof ERRNO,
  text: (...args: Args) => string,
): MessageRow<Args> {
  return { errno: ERRNO[errno], text };
}

export const plain = (errno: keyof typeof ERRNO, text: string): MessageRow<[]> => row(errno, () => text);
