import { describe, expect, it } from 'vitest';
import { formatIsValid } from './snprintf.ts';

const bytes = (text: string): Uint8Array => Uint8Array.from(text, char => char.charCodeAt(0));
const valid = (text: string, numArgs: number): boolean => formatIsValid(bytes(`${text}\0`), 0, numArgs);

describe('formats of bpf_snprintf', () => {
  it.each([
    ['', 0],
    ['no conversion', 0],
    ['100%%', 0],
    ['%d %i %u %x %X', 5],
    ['%ld %lld %lu %llx', 4],
    ['%d', 3],
    ['%08lx %-10u %+d % d', 4],
    ['%0000042d', 1],
    ['%c', 1],
    ['%ca', 1],
    ['%s', 1],
    ['%s, %10s.', 2],
    ['%p', 1],
    ['%p;', 1],
    ['%pK %px %ps %pS %pB', 5],
    ['%pi4%pI4%pi6%pI6', 4],
    ['%pks %pus', 2],
    ['\t\n', 0],
    ['gr\xfc\xdfe', 0],
    ['%s\xa0', 1],
    ['%s\xa7', 1],
  ])('takes %j with %i values', (text, numArgs) => {
    expect(valid(text, numArgs)).toBe(true);
  });

  it.each([
    ['%d', 0],
    ['%d %d', 1],
    ['%', 1],
    ['%1', 1],
    ['%l', 1],
    ['%lll', 1],
    ['%llld', 1],
    ['%n', 1],
    ['%f', 1],
    ['%10.5d', 1],
    ['%*d', 1],
    ['%sa', 1],
    ['%pksa', 1],
    ['%pka', 1],
    ['%pi', 1],
    ['%pi5', 1],
    ['%pa', 1],
    ['%s\xe4', 1],
    ['%\xe4', 1],
    ['\x01', 0],
    ['\x7f', 0],
  ])('refuses %j with %i values', (text, numArgs) => {
    expect(valid(text, numArgs)).toBe(false);
  });

  it('looks at nothing before its start or behind its zero', () => {
    expect(formatIsValid(bytes('%n\0%d\0%n'), 3, 1)).toBe(true);
    expect(formatIsValid(bytes('%n\0%d\0%n'), 0, 1)).toBe(false);
  });

  it('refuses what is not closed', () => {
    expect(formatIsValid(bytes('abc'), 0, 0)).toBe(false);
  });
});
