/**
 * The address: `#plan=16+M+32+M&lambda=0.002`, every field of the specs that is not the default, plus how to
 * prune. Field names are those of the command line and of recipes.
 */

/** @typedef {import('../types/types').RunSpec} RunSpec */
/** @typedef {import('../types/types').HardwareSpec} HardwareSpec */
/** @typedef {import('../types/messages').Fields} Fields */

import { DEFAULT_CHOICE } from './pruning.js';

/** What a network's name stands for; the address names either the network or these. */
const NAMED = ['plan', 'classifier', 'batch_norm'];

/**
 * One text of the address as a value of the same type as the default; undefined when it can't be.
 * @param {string} text
 * @param {unknown} like
 */
function parseAs(text, like) {
  if (typeof like === 'number') {
    const number = Number(text);
    const rounded = /^\d+$/.test(text) && !Number.isSafeInteger(number);
    return text.trim() !== '' && Number.isFinite(number) && !rounded ? number : undefined;
  }
  if (typeof like === 'boolean') return text === 'true' ? true : text === 'false' ? false : undefined;
  if (Array.isArray(like)) {
    const numbers = text === '' ? [] : text.split(',').map(Number);
    return numbers.every(Number.isInteger) ? numbers : undefined;
  }
  return text;
}

/**
 * @param {string} hash
 * @param {RunSpec & HardwareSpec} defaults
 * @returns {{ fields: Fields, unread: string[] }} `unread` are entries that mean nothing here
 */
export function fieldsFromHash(hash, defaults) {
  /** @type {Record<string, unknown>} */
  const like = { ...defaults, ...DEFAULT_CHOICE };
  /** @type {Record<string, unknown>} */
  const fields = {};
  const unread = [];
  for (const [name, text] of new URLSearchParams(hash.replace(/^#/, ''))) {
    const value = Object.hasOwn(like, name) ? parseAs(text, like[name]) : undefined;
    if (value === undefined) unread.push(text === '' ? name : `${name}=${text}`);
    else fields[name] = value;
  }
  return { fields, unread };
}

/**
 * @param {RunSpec & HardwareSpec} flat
 * @param {import('../types/types').PruneChoice} choice
 * @param {RunSpec & HardwareSpec} defaults
 * @returns {string} without `#`; empty for the defaults
 */
export function hashFromFields(flat, choice, defaults) {
  const query = new URLSearchParams();
  const named = flat.model !== 'custom' && flat.model !== defaults.model;
  for (const [name, value] of Object.entries(flat)) {
    if (name === 'model' && !named) continue;
    if (named && NAMED.includes(name)) continue;
    if (String(value) !== String(defaults[/** @type {keyof typeof flat} */ (name)]))
      query.set(name, String(value));
  }
  for (const [name, value] of Object.entries(choice)) {
    if (value !== DEFAULT_CHOICE[/** @type {keyof typeof choice} */ (name)]) query.set(name, String(value));
  }
  return query.toString();
}

/** What `?embed` asks for: `embed` shows the pictures only, `embed=play` keeps start, pause, step and reset. */
export function embedding() {
  const value = new URLSearchParams(location.search).get('embed');
  return value === null ? '' : value === 'play' ? 'play' : 'all';
}
