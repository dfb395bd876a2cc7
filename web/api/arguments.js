/** What calls of `crossdub` are given, checked before anything is done: it comes from anyone's script. */

/**
 * An object of fields; thrown when it is none, or holds a number that JSON has not.
 * @template {object} T
 * @param {T} fields @param {string} call
 * @returns {T}
 */
export function fieldsOf(fields, call) {
  const plain = typeof fields === 'object' && fields !== null && !Array.isArray(fields);
  if (!plain)
    throw {
      message: `${call} takes an object of fields, not ${Array.isArray(fields) ? 'a list' : String(fields)}`,
    };
  for (const [field, value] of Object.entries(fields)) {
    if (typeof value === 'number' && !Number.isFinite(value))
      throw { message: `invalid ${field} (${value}): takes a number`, field };
  }
  return fields;
}

/** One file or several. @param {unknown} given @returns {File[]} */
export function filesOf(given) {
  const several =
    given instanceof File ? [given] : Array.from(/** @type {Iterable<unknown>} */ (Object(given)));
  const files = several.filter((each) => each instanceof File);
  if (files.length === 0 || files.length < several.length) throw { message: 'load takes a File, or several' };
  return files;
}

/** @param {Record<string, unknown>} values */
export function allCounts(values) {
  for (const [field, value] of Object.entries(values)) {
    if (!Number.isInteger(value) || Number(value) < 0)
      throw { message: `invalid ${field} (${value}): takes a whole number of 0 or more`, field };
  }
}
