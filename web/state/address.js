/** The address taken up: its fields, with what can't be had of them left out and named. */

import { asError } from '../api/errors.js';
import { DEFAULT_CHOICE, isChoiceField, refusalOf, splitChoice } from './pruning.js';
import { fieldsFromHash } from './state.js';

/** @typedef {import('../types/types').RunSpec} RunSpec */
/** @typedef {import('../types/types').HardwareSpec} HardwareSpec */
/** @typedef {import('../types/types').PruneChoice} PruneChoice */
/** @typedef {{ spec: RunSpec, hardware: HardwareSpec }} Specs */
/** @typedef {(spec: RunSpec, hardware: HardwareSpec, fields: object) => Promise<Specs>} Apply */

/**
 * @param {string} hash
 * @param {Specs} base what the fields change
 * @param {RunSpec & HardwareSpec} defaults
 * @param {Apply} apply
 * @returns {Promise<{ next: Specs, choice: PruneChoice, refusal: string }>} `refusal` is empty where all could be had
 */
export async function readAddress(hash, base, defaults, apply) {
  const { fields, unread } = fieldsFromHash(hash, defaults);
  const { choice: asked, rest } = splitChoice(fields);
  const choice = { ...DEFAULT_CHOICE, ...asked };
  for (const [name, value] of Object.entries(asked)) {
    if (!isChoiceField(name) || !refusalOf(name, value)) continue;
    unread.push(`${name}=${value}`);
    Object.assign(choice, { [name]: DEFAULT_CHOICE[name] });
  }
  const next = await applyTolerantly(base, rest, unread, apply);
  const refusal =
    unread.length > 0
      ? `The address asks for ${unread.join(', ')}, which can't be had: the default is used.`
      : '';
  return { next, choice, refusal };
}

/**
 * @param {Specs} base
 * @param {Record<string, unknown>} fields
 * @param {string[]} refused
 * @param {Apply} apply
 */
async function applyTolerantly(base, fields, refused, apply) {
  for (;;) {
    try {
      return await apply(base.spec, base.hardware, fields);
    } catch (thrown) {
      // Without the field that is named as wrong; without all of them when none is named.
      const { field } = asError(thrown);
      const wrong = field !== undefined && field in fields ? [field] : Object.keys(fields);
      if (wrong.length === 0) throw thrown;
      for (const name of wrong) {
        refused.push(`${name}=${fields[name]}`);
        delete fields[name];
      }
    }
  }
}
