/**
 * The URL's hash, `#plan=16+M+32+M&lambda=0.002`: every field that differs from its default. Field names are those
 * of the command line and of recipes.
 */

/** @typedef {import('../types/messages').Fields} Fields */
/** @typedef {import('../types/wasm').Settings} Settings */

/** Fields that follow from a network's name: a hash has either the name or these. */
const IMPLIED_BY_MODEL = ['plan', 'classifier', 'batch_norm'];

/**
 * A text as a value of the same type as the default; undefined if it is not one.
 * @param {string} text
 * @param {unknown} defaultValue
 */
function parse(text, defaultValue) {
  if (typeof defaultValue === 'number') {
    const number = Number(text);
    const isRounded = /^\d+$/.test(text) && !Number.isSafeInteger(number);
    return text.trim() !== '' && Number.isFinite(number) && !isRounded ? number : undefined;
  }
  if (typeof defaultValue === 'boolean') return text === 'true' ? true : text === 'false' ? false : undefined;
  if (Array.isArray(defaultValue)) {
    const parts = text === '' ? [] : text.split(',');
    // An empty part would be the number 0.
    return parts.every((part) => /^\d{1,15}$/.test(part)) ? parts.map(Number) : undefined;
  }
  return text;
}

/** @param {Settings} settings @returns {Record<string, unknown>} */
function flat({ spec, hardware, pruning }) {
  return { ...spec, ...hardware, ...pruning };
}

/**
 * The fields of a hash; `invalid` are the entries that are no field or have the wrong type.
 * @param {string} hash
 * @param {Settings} defaults
 * @returns {{ fields: Fields, invalid: string[] }}
 */
export function parseHash(hash, defaults) {
  const known = flat(defaults);
  /** @type {Record<string, unknown>} */
  const fields = {};
  const invalid = [];
  for (const [name, text] of new URLSearchParams(hash.replace(/^#/, ''))) {
    const value = Object.hasOwn(known, name) ? parse(text, known[name]) : undefined;
    if (value === undefined) invalid.push(text === '' ? name : `${name}=${text}`);
    else fields[name] = value;
  }
  return { fields, invalid };
}

/**
 * The hash of these settings, without `#`; empty for the defaults.
 * @param {Settings} settings
 * @param {Settings} defaults
 */
export function formatHash(settings, defaults) {
  const values = flat(settings);
  const defaultValues = flat(defaults);
  const isNamed = values.model !== 'custom' && values.model !== defaultValues.model;
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    if (name === 'model' && !isNamed) continue;
    if (isNamed && IMPLIED_BY_MODEL.includes(name)) continue;
    if (String(value) !== String(defaultValues[name])) query.set(name, String(value));
  }
  return query.toString();
}

/**
 * What `?embed` asks for: `embed` hides all controls, `embed=play` keeps start, pause, step and reset.
 * @param {string} search
 * @returns {'' | 'all' | 'play'}
 */
export function parseEmbed(search) {
  const value = new URLSearchParams(search).get('embed');
  if (value === null) return '';
  return value === 'play' ? 'play' : 'all';
}
