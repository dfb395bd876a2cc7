/** Reads and checks a run's `report.json`, as `crossdub train`, `crossdub run` or this page wrote it. */

import { failure } from '../api/errors.js';

/** @typedef {import('../types/types').Report} Report */

/** A history of a million steps is about this large. */
const MAX_BYTES = 200 * 2 ** 20;

const isNumber = (/** @type {unknown} */ value) => typeof value === 'number' && Number.isFinite(value);
const isText = (/** @type {unknown} */ value) => typeof value === 'string';

const isPercentOrNull = (/** @type {unknown} */ value) =>
  value === null || (isNumber(value) && Number(value) >= 0 && Number(value) <= 100);
/** An energy divided by a smaller one: no ADC needs a million times the energy of another. */
const isImprovementOrNull = (/** @type {unknown} */ value) =>
  value === null || (isNumber(value) && Number(value) > 0 && Number(value) < 1e6);
/** Charts are drawn with factors of ten around it. */
const isMagnitude = (/** @type {unknown} */ value) => isNumber(value) && Math.abs(Number(value)) <= 1e30;
const isCount = (/** @type {unknown} */ value) => Number.isSafeInteger(value) && Number(value) >= 0;

/** @param {any} entry */
const isEntry = (entry) =>
  isCount(entry?.step) &&
  [entry.loss, entry.regularizer].every(isMagnitude) &&
  isPercentOrNull(entry.accuracy) &&
  [entry.improvement_paper, entry.improvement_lossless].every(isImprovementOrNull);

/** @param {any} energy */
const isEnergy = (energy) =>
  ['paper', 'lossless'].every(
    (model) => energy?.[model] instanceof Object && isImprovementOrNull(energy[model].improvement ?? null),
  );

/** @param {any} stage */
const isStage = (stage) =>
  ['train', 'prune', 'finetune'].includes(stage?.kind) &&
  isPercentOrNull(stage.accuracy) &&
  isEnergy(stage.energy);

/** Whole numbers of each layer's tiles; a recorded run may have some of them. No crossbar has 2^64 rows. */
const COUNTS = ['level', 'bits_paper', 'bits_lossless', 'bits_lossless_sliced'];
const MOST = 64;
/** Values of each layer's tiles that the maps draw; integers have bits by set cells besides. */
export const PER_TILE = ['density', 'imbalance', 'level', 'bits_paper', 'bits_lossless'];
const OPTIONAL = ['bits_lossless_sliced'];

/** @param {any} map */
const isMap = (map) =>
  isText(map?.name) &&
  isCount(map.across) &&
  isCount(map.down) &&
  [...PER_TILE, ...OPTIONAL]
    .filter((key) => map[key] !== undefined)
    .every(
      (key) =>
        Array.isArray(map[key]) &&
        map[key].length === map.across * map.down &&
        map[key].every(
          COUNTS.includes(key)
            ? (/** @type {unknown} */ value) => isCount(value) && Number(value) <= MOST
            : isNumber,
        ),
    );

/** @param {any} analysis */
const isAnalysis = (analysis) =>
  isEnergy(analysis?.energy) &&
  Array.isArray(analysis.histogram) &&
  analysis.histogram.every(isCount) &&
  Array.isArray(analysis.layers) &&
  isCount(analysis.weights);

/**
 * The parts of a report that the page reads, each with its check.
 * @type {[string, (report: any) => unknown][]}
 */
const PARTS = [
  [
    'spec',
    ({ spec }) =>
      isText(spec?.data) &&
      isText(spec.plan) &&
      isText(spec.model) &&
      isText(spec.regularizer) &&
      isNumber(spec.lambda) &&
      isNumber(spec.seed),
  ],
  ['hardware', ({ hardware }) => isNumber(hardware?.tile)],
  ['training', ({ training }) => isCount(training?.step) && isPercentOrNull(training.accuracy)],
  ['training.history', ({ training }) => Array.isArray(training.history) && training.history.every(isEntry)],
  ['analysis', ({ analysis }) => isAnalysis(analysis)],
  ['stages', ({ stages = [] }) => Array.isArray(stages) && stages.every(isStage)],
  ['maps', ({ maps }) => maps === undefined || maps === null || (Array.isArray(maps) && maps.every(isMap))],
  ['name', ({ name }) => name === undefined || isText(name)],
];

/**
 * @param {File} file
 * @returns {Promise<Report>}
 */
export async function readReport(file) {
  const error = (/** @type {string} */ reason) => failure('file', `opening ${file.name}: ${reason}`);
  if (file.size > MAX_BYTES) throw error(`the report is too large (over ${MAX_BYTES / 2 ** 20} MB)`);
  let report;
  try {
    report = JSON.parse(await file.text());
  } catch {
    throw error('not valid JSON');
  }
  const wrong = PARTS.find(([, isValid]) => !isValid(Object(report)));
  if (wrong) throw error(`not a Crossdub report: field ${wrong[0]} is missing or invalid`);
  return report;
}
