/** Errors of calls: plain objects between worker and page, `CrossdubError`s for callers. */

/** @typedef {import('../types/messages').Failure} Failure */
/** @typedef {import('../types/messages').FailureCode} FailureCode */

/**
 * A failure to throw.
 * @param {FailureCode} code
 * @param {string} message
 * @param {string} [field]
 * @returns {Failure}
 */
export function failure(code, message, field) {
  return field === undefined ? { code, message } : { code, message, field };
}

/** The error that `crossdub`'s calls reject with: a one-line message, a code, and the affected field, if any. */
export class CrossdubError extends Error {
  /** @param {Failure} failure */
  constructor({ code, message, field }) {
    super(message);
    this.name = 'CrossdubError';
    this.code = code;
    this.field = field;
  }
}

/** @param {unknown} thrown @returns {CrossdubError} */
export function asError(thrown) {
  if (thrown instanceof CrossdubError) return thrown;
  const { code = 'internal', message, field } = /** @type {Partial<Failure>} */ (Object(thrown));
  return new CrossdubError({ code, message: typeof message === 'string' ? message : String(thrown), field });
}
