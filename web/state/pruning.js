/** Pruning settings: comparing them, and describing them in a few characters. */

/** @typedef {import('../types/types').PruneSettings} PruneSettings */

/** Whether the rule prunes until a target is met. @param {Pick<PruneSettings, 'rule'>} pruning */
export const hasTarget = ({ rule }) => rule === 'budget' || rule === 'bit-planes';

/**
 * Whether both prune in the same way: fields that the rule does not use make no difference.
 * @param {PruneSettings | null} a
 * @param {PruneSettings | null} b
 */
export function samePruning(a, b) {
  if (a === null || b === null) return a === b;
  return a.rule === b.rule && (hasTarget(a) ? a.target === b.target : a.strength === b.strength);
}

/** A short label for a chart. @param {PruneSettings} pruning */
export function pruningLabel({ rule, strength, target }) {
  if (rule === 'budget') return `${target}×`;
  if (rule === 'bit-planes') return `cells ${target}×`;
  return rule === 'exact' ? `${strength} %` : `${rule} ${strength} %`;
}
