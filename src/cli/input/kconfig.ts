import { existsSync } from 'node:fs';
import type { KconfigValues } from '../../object/index.ts';
import { decodeText, FarcallError } from '../../util/index.ts';
import { gunzipped, readFileBytes } from './files.ts';

/** What LINUX_KERNEL_VERSION is unless given: that of the kernel types that come with farcall. */
const DEFAULT_VERSION = '6.12.0';

/** `6.12.48` or a plain number as LINUX_KERNEL_VERSION has it. */
function kernelVersion(text: string): number {
  const parts = /^(\d{1,3})\.(\d{1,3})(?:\.(\d{1,5}))?$/.exec(text);
  if (parts !== null) return (Number(parts[1]) << 16) | (Number(parts[2]) << 8) | Math.min(255, Number(parts[3] ?? 0));
  if (/^(0x[0-9a-fA-F]{1,8}|\d{1,10})$/.test(text)) return Number(text);
  throw new FarcallError({
    code: 'arg.kconfig',
    message: 'not a kernel version',
    expected: '6.12 or a number',
    found: `'${text}'`,
  });
}

/** The values that `--kconfig` arguments give, each `NAME=VALUE` or a file; the first to name a variable wins. */
export function readKconfig(args: readonly string[]): KconfigValues {
  const virtual = new Map<string, string>();
  const config: string[] = [];
  for (const arg of args) {
    const match = /^((?:CONFIG|LINUX)_[A-Za-z0-9_]+)=(.*)$/s.exec(arg);
    if (match === null || existsSync(arg)) config.push(decodeText(gunzipped(readFileBytes(arg), arg)));
    else if (match[1].startsWith('CONFIG_')) config.push(arg);
    else virtual.set(match[1], match[2]);
  }
  const isOn = (name: string): boolean | undefined => {
    const value = virtual.get(name);
    return value === undefined ? undefined : value !== '0' && value !== 'n';
  };
  return {
    config: config.join('\n'),
    kernelVersion: kernelVersion(virtual.get('LINUX_KERNEL_VERSION') ?? DEFAULT_VERSION),
    hasBpfCookie: isOn('LINUX_HAS_BPF_COOKIE'),
    hasSyscallWrapper: isOn('LINUX_HAS_SYSCALL_WRAPPER'),
  };
}
