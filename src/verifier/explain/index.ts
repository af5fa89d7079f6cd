/** Why a program was refused, for people: as data a page can draw, and as text. */
export { explain } from './explain.ts';
export { type RenderOptions, renderExplanation } from './render.ts';
export type * from './types.ts';
