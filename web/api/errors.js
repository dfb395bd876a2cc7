/** Rejections, on the page's side of the worker. */

/** @typedef {import('../types/types').Failure} Failure */

/** A rejected call: one clear line, and the field it is about where there is one. */
export class CrossdubError extends Error {
  /** @param {Failure} failure */
  constructor({ message, field }) {
    super(message);
    this.name = 'CrossdubError';
    this.field = field;
  }
}

/** @param {unknown} thrown @returns {CrossdubError} */
export function asError(thrown) {
  if (thrown instanceof CrossdubError) return thrown;
  const failure = /** @type {Failure} */ (thrown);
  const message = typeof failure?.message === 'string' ? failure.message : String(thrown);
  return new CrossdubError({ message, field: failure?.field });
}
