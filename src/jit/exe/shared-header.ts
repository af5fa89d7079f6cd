import { mapTypeName } from '../../uapi/index.ts';
import { isArray, SHARED_MAP, type SharedMap } from './shared-maps.ts';

/** What a header declares. */
export interface HeaderInit {
  /** Of the library, and of everything in it that is no program. */
  readonly name: string;
  readonly target: string;
  readonly helpers: readonly string[];
  readonly programs: readonly string[];
  readonly maps: readonly SharedMap[];
}

/** A name C takes. */
export const cName = (name: string): string => name.replace(/[^A-Za-z0-9_]/g, '_').replace(/^(?=\d)/, '_');

/** C function that says where a map is. */
export const mapFunction = (library: string, map: SharedMap): string => `${library}_map_${cName(map.name)}`;

const MAP_STRUCT = [
  '#ifndef FARCALL_MAP',
  '#define FARCALL_MAP',
  '/* A map. Functions of the table that take a map are given the address of one. */',
  'struct farcall_map {',
  '\tuint32_t type, key_size, value_size, max_entries, map_flags, index;',
  "\tint64_t values; /* bytes from here to an array's values; 0: who provides the functions keeps them */",
  '\tvoid *user; /* yours */',
  `\tchar name[${SHARED_MAP.nameBytes}];`,
  '};',
  '',
  '/* Element n of an array: values begin at multiples of 8 bytes. */',
  'static inline void *farcall_array_value(struct farcall_map *map, uint32_t n)',
  '{',
  '\tif (map->values == 0 || n >= map->max_entries)',
  '\t\treturn 0;',
  '\treturn (char *)map + map->values + (uint64_t)n * ((map->value_size + 7u) & ~7u);',
  '}',
  '#endif',
  '',
];

/** The C header of a shared object. */
export function headerOf({ name, target, helpers, programs, maps }: HeaderInit): string {
  const guard = `${name.toUpperCase()}_H`;
  const args = 'uint64_t, uint64_t, uint64_t, uint64_t, uint64_t';
  return [
    `/* ${name}: BPF programs compiled by farcall for ${target}. */`,
    `#ifndef ${guard}`,
    `#define ${guard}`,
    '#include <stdint.h>',
    '#ifdef __cplusplus',
    'extern "C" {',
    '#endif',
    '',
    ...(helpers.length === 0
      ? []
      : [
          '/*',
          ' * What the programs call; to be filled in before they run. Each is given R1 to R5, as many as it has parameters,',
          ' * and returns R0. Pointers are those of the process.',
          ' */',
          `extern struct ${name}_helpers {`,
          ...helpers.map(helper => `\tuint64_t (*${cName(helper)})(${args});`),
          `} ${name}_helpers;`,
          '',
        ]),
    ...(maps.length === 0 ? [] : MAP_STRUCT),
    ...maps.flatMap(map => [
      `/* ${mapTypeName(map.type)}, ${map.maxEntries} entries of ${map.valueSizeBytes} bytes${isArray(map) ? ', held here' : ''} */`,
      `struct farcall_map *${mapFunction(name, map)}(void);`,
    ]),
    ...(maps.length === 0 ? [] : ['']),
    '/*',
    ' * Programs: R1 is ctx, R0 the result. ctx is the struct user space knows (struct xdp_md and its like); addresses in its',
    ' * 32-bit members are below 4 GiB.',
    ' */',
    ...programs.map(program => `uint64_t ${program}(void *ctx);`),
    '',
    '#ifdef __cplusplus',
    '}',
    '#endif',
    '#endif',
    '',
  ].join('\n');
}
