import { describe, expect, it } from 'vitest';
import { essentialName } from './name-index.ts';

describe('essential names', () => {
  it.each([
    ['task_struct', 'task_struct'],
    ['task_struct___old', 'task_struct'],
    ['a___b___c', 'a___b'],
    ['___x', '___x'],
    ['a___', 'a___'],
    ['a____b', 'a____b'],
    ['a__b', 'a__b'],
    ['a___b____c', 'a'],
    ['', ''],
  ])('%s → %s', (name, essential) => expect(essentialName(name)).toBe(essential));
});
