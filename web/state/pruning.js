/** How far to prune, and by which rule: the page's own fields beside those of the specs. */

/** @typedef {import('../types/types').PruneChoice} PruneChoice */

/** @type {Readonly<PruneChoice>} */
export const DEFAULT_CHOICE = Object.freeze({ rule: 'exact', strength: 90, target: 3 });
export const MAX_STRENGTH = 99.9;
export const MAX_TARGET = 100;

/** @type {Record<PruneChoice['rule'], string>} */
export const RULES = {
  exact: 'Each column keeps exactly as many of its largest weights as its tile’s level allows.',
  paper: 'The authors’ code: a percentile for each column, interpolated, which can miss its level.',
  budget:
    'Every tile gets the level that loses least for the energy it saves, until the target is met by the paper’s count.',
};

/** @type {{ [K in keyof PruneChoice]: (value: unknown) => string }} why a value can't be had; empty when it can */
const REFUSALS = {
  rule: (value) => (Object.hasOwn(RULES, String(value)) ? '' : `takes ${Object.keys(RULES).join(', ')}`),
  strength: (value) => (isBetween(value, 0, MAX_STRENGTH) ? '' : `takes 0 to ${MAX_STRENGTH} percent`),
  target: (value) => (isBetween(value, 1, MAX_TARGET) ? '' : `takes an improvement of 1 to ${MAX_TARGET}`),
};

/** @param {unknown} value @param {number} low @param {number} high */
function isBetween(value, low, high) {
  return typeof value === 'number' && value >= low && value <= high;
}

/** @param {string} name @returns {name is keyof PruneChoice} */
export function isChoiceField(name) {
  return Object.hasOwn(DEFAULT_CHOICE, name);
}

/**
 * Takes the choice's fields out of flat ones.
 * @param {object} fields
 * @returns {{ choice: Partial<PruneChoice>, rest: Record<string, unknown> }}
 */
export function splitChoice(fields) {
  const entries = Object.entries(fields);
  const choice = Object.fromEntries(entries.filter(([name]) => isChoiceField(name)));
  return { choice, rest: Object.fromEntries(entries.filter(([name]) => !isChoiceField(name))) };
}

/**
 * Why a field of the choice can't be had.
 * @param {keyof PruneChoice} name @param {unknown} value
 * @returns {import('../types/types').Failure | null}
 */
export function refusalOf(name, value) {
  const why = REFUSALS[name](value);
  return why ? { message: `invalid ${name} (${value}): ${why}`, field: name } : null;
}

/** @param {PruneChoice} a @param {PruneChoice} b */
export function sameChoice(a, b) {
  // What the rule does not use makes no difference.
  return a.rule === b.rule && (a.rule === 'budget' ? a.target === b.target : a.strength === b.strength);
}

/** In a few characters, for a mark in a chart. @param {PruneChoice} choice */
export function choiceWords({ rule, strength, target }) {
  if (rule === 'budget') return `${target}×`;
  return rule === 'exact' ? `${strength} %` : `${rule} ${strength} %`;
}
