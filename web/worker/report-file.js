/** A run's `report.json`, as `crossdub train`, `crossdub run` or this page wrote it: checked before anything is drawn of it. */

/** @typedef {import('../types').Report} Report */

/** A history of a million steps is about this large. */
const LARGEST = 200 * 2 ** 20;

const isNumber = (/** @type {unknown} */ value) => typeof value === 'number' && Number.isFinite(value);
const isNumberOrNull = (/** @type {unknown} */ value) => value === null || isNumber(value);
const isText = (/** @type {unknown} */ value) => typeof value === 'string';

/** @param {any} entry */
const isEntry = (entry) =>
  isNumber(entry?.step) && [entry.loss, entry.regularizer].every(isNumber) &&
  [entry.accuracy, entry.improvement_paper, entry.improvement_lossless].every(isNumberOrNull);

/**
 * What the page reads of a report, and of what kind it must be.
 * @type {[string, (report: any) => unknown][]}
 */
const PARTS = [
  ['spec', ({ spec }) => isText(spec?.data) && isText(spec.plan) && isText(spec.model) && isText(spec.regularizer) && isNumber(spec.lambda) && isNumber(spec.seed)],
  ['hardware', ({ hardware }) => isNumber(hardware?.tile)],
  ['training', ({ training }) => isNumber(training?.step) && isNumberOrNull(training.accuracy)],
  ['training.history', ({ training }) => Array.isArray(training.history) && training.history.every(isEntry)],
  ['analysis.energy', ({ analysis }) => ['paper', 'lossless'].every((model) => isNumberOrNull(analysis?.energy?.[model]?.improvement))],
];

/**
 * @param {File} file
 * @returns {Promise<Report>}
 */
export async function readReport(file) {
  const refuse = (/** @type {string} */ why) => ({ message: `opening ${file.name}: ${why}` });
  if (file.size > LARGEST) throw refuse(`a report of over ${LARGEST / 2 ** 20} MB is not drawn`);
  let report;
  try {
    report = JSON.parse(await file.text());
  } catch {
    throw refuse('it is no JSON');
  }
  const missing = PARTS.find(([, holds]) => !holds(Object(report)));
  if (missing) throw refuse(`it is no run's report: ${missing[0]} is missing or not as it should be`);
  return report;
}
