import type { MessageId } from '../../messages.ts';
import { ARITHMETIC_ROWS } from './arithmetic.ts';
import { CALL_ROWS } from './calls.ts';
import { LIMIT_ROWS } from './limits.ts';
import { MEMORY_ROWS } from './memory.ts';
import { OBJECT_ROWS } from './objects.ts';
import { RESOURCE_ROWS } from './resources.ts';
import { RETURN_ROWS } from './returns.ts';
import type { TellRow } from './row.ts';
import { STRUCTURE_ROWS } from './structure.ts';
import { UNPRIVILEGED_ROWS } from './unprivileged.ts';

/** What each message means; `docs/adding/explanation.md` says how to add one. */
export const TELL_ROWS: { readonly [Id in MessageId]?: TellRow } = {
  ...MEMORY_ROWS,
  ...ARITHMETIC_ROWS,
  ...CALL_ROWS,
  ...RESOURCE_ROWS,
  ...RETURN_ROWS,
  ...OBJECT_ROWS,
  ...LIMIT_ROWS,
  ...STRUCTURE_ROWS,
  ...UNPRIVILEGED_ROWS,
};
