/** What the optimiser does, by the names that `without` takes. Dead code goes in any case: what is live says what a row has to make. */
export const OPT_PASSES = [
  'inline',
  'copies',
  'constants',
  'masks',
  'rotates',
  'addresses',
  'branches',
  'values',
  'unroll',
  'order',
  'slots',
  'narrow',
] as const;
export type OptPass = (typeof OPT_PASSES)[number];
