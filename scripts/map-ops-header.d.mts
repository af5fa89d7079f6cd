export function layoutHeader(maps: object, uapi: object): string;
export function sourceHash(dir: string): string;
