/** Checks of the arguments of `crossdub`'s calls, which come from any script. */

import { failure } from './errors.js';

/**
 * An object of fields without NaN or infinite numbers, which JSON lacks.
 * @template {object} T
 * @param {T} fields
 * @param {string} call
 * @returns {T}
 */
export function checkFields(fields, call) {
  const isObject = typeof fields === 'object' && fields !== null && !Array.isArray(fields);
  if (!isObject) {
    const given = Array.isArray(fields) ? 'a list' : String(fields);
    throw failure('invalid-argument', `${call} takes an object of fields, not ${given}`);
  }
  for (const [field, value] of Object.entries(fields)) {
    if (typeof value === 'number' && !Number.isFinite(value)) {
      throw failure('invalid-field', `invalid ${field} (${value}): must be a number`, field);
    }
  }
  return fields;
}

/** One file or several. @param {unknown} given @returns {File[]} */
export function checkFiles(given) {
  const items =
    given instanceof File ? [given] : Array.from(/** @type {Iterable<unknown>} */ (Object(given)));
  const files = items.filter((item) => item instanceof File);
  if (files.length === 0 || files.length < items.length) {
    throw failure('invalid-argument', 'load takes one or more File objects');
  }
  return files;
}

/**
 * Whole numbers of `least` or more.
 * @param {Record<string, unknown>} values
 * @param {number} [least]
 */
export function checkCounts(values, least = 0) {
  for (const [field, value] of Object.entries(values)) {
    if (Number.isInteger(value) && Number(value) >= least) continue;
    const message = `invalid ${field} (${value}): must be a whole number of ${least} or more`;
    throw failure('invalid-field', message, field);
  }
}
