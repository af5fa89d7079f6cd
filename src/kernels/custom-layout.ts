import { FarcallError } from '../util/index.ts';
import { ARCHES, archRow } from './arch.ts';
import type { AddressRange, KernelArch, LayoutRow } from './types.ts';

/** What {@link customLayout} is told. */
export interface CustomLayoutInit {
  readonly name: string;
  readonly arch: KernelArch;
  readonly summary?: string;
  readonly textBase: bigint;
  readonly images: AddressRange;
  readonly modules: AddressRange;
  readonly linearMap: AddressRange;
  readonly userLimit: bigint;
  /** 0: every image has pages of its own. Else a power of two, at least a page. */
  readonly packBytes: number;
  readonly pageBytes?: number;
  /** Where code may be placed; without it, the half of the address space that `images` lies in. */
  readonly canonical?: AddressRange;
}

const MOST_PACK_BYTES = 1 << 26;

function wrong(name: string, message: string, expected: string, found: string): FarcallError {
  return new FarcallError({ code: 'arg.layout', message, expected, found, where: { name: `layout ${name}` } });
}

const hex = (value: bigint): string => `0x${value.toString(16)}`;
const text = (range: AddressRange): string => `${hex(range.start)}..${hex(range.end)}`;
const holds = (outer: AddressRange, inner: AddressRange): boolean =>
  inner.start >= outer.start && inner.end <= outer.end;

function powerOfTwo(value: number): boolean {
  return Number.isInteger(value) && value > 0 && Number.isInteger(Math.log2(value));
}

/**
 * A layout of one's own, for instance one whose addresses fit a user-space process. Throws `arg.layout`: ranges that
 * are empty, reversed, outside 64 bits or outside `canonical`; images and modules not a page long or not page-aligned;
 * pages or packs that are no power of two; text outside `canonical` or inside `images`.
 */
export function customLayout(init: CustomLayoutInit): LayoutRow {
  const { name } = init;
  if (!/^[\w.-]{1,64}$/.test(name)) {
    throw wrong(
      name.slice(0, 64),
      'not a name of a layout',
      '1 to 64 letters, digits, _ . or -',
      `'${name.slice(0, 80)}'`,
    );
  }
  const facts = ARCHES.find(row => row.arch === init.arch);
  if (facts === undefined) {
    throw wrong(name, 'unknown CPU', ARCHES.map(row => row.arch).join(', '), `'${init.arch}'`);
  }
  const pageBytes = init.pageBytes ?? facts.pageBytes;
  if (!powerOfTwo(pageBytes) || pageBytes < 0x1000 || pageBytes > 1 << 20) {
    throw wrong(name, 'bad page size', 'a power of two from 4096 to 1 MiB', String(pageBytes));
  }
  const { packBytes } = init;
  if (packBytes !== 0 && (!powerOfTwo(packBytes) || packBytes < pageBytes || packBytes > MOST_PACK_BYTES)) {
    throw wrong(
      name,
      'bad pack size',
      `0, or a power of two from ${pageBytes} to ${MOST_PACK_BYTES}`,
      String(packBytes),
    );
  }
  const canonical = init.canonical ?? (init.images.start < facts.user.end ? facts.user : archRow(init.arch).kernel);
  const whole = { start: 0n, end: 1n << 64n };
  const ranges = { canonical, images: init.images, modules: init.modules, linearMap: init.linearMap };
  for (const [key, range] of Object.entries(ranges)) {
    if (range.start >= range.end || !holds(whole, range)) {
      throw wrong(name, `${key} is no range of addresses`, 'start below end, both within 64 bits', text(range));
    }
  }
  for (const key of ['images', 'modules'] as const) {
    const range = ranges[key];
    if (!holds(canonical, range)) {
      throw wrong(name, `${key} lies where code cannot`, `addresses in ${text(canonical)}`, text(range));
    }
    if (range.start % BigInt(pageBytes) !== 0n || range.end % BigInt(pageBytes) !== 0n) {
      throw wrong(name, `${key} is not aligned`, `multiples of the page size, ${hex(BigInt(pageBytes))}`, text(range));
    }
  }
  const { textBase, userLimit } = init;
  if (textBase < canonical.start || textBase >= canonical.end || textBase % 0x1000n !== 0n) {
    throw wrong(name, 'text lies where code cannot', `a multiple of 4096 in ${text(canonical)}`, hex(textBase));
  }
  if (userLimit < 0n || userLimit >= whole.end) {
    throw wrong(name, 'userLimit is no address', '64 bits', hex(userLimit));
  }
  return {
    name,
    arch: init.arch,
    summary: init.summary ?? `a layout of one's own for ${init.arch}`,
    textBase,
    modules: init.modules,
    images: init.images,
    linearMap: init.linearMap,
    userLimit,
    packBytes,
    pageBytes,
    canonical,
    source: 'customLayout()',
  };
}

/**
 * The same layout with kernel text elsewhere, as KASLR puts it. Throws `arg.layout` as {@link customLayout} does.
 */
export function withTextBase(layout: LayoutRow, textBase: bigint): LayoutRow {
  return { ...customLayout({ ...layout, textBase }), summary: layout.summary, source: layout.source };
}
