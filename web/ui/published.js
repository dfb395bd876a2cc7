/** The published runs: the methods in order of improvement by some models, and the whole table under "Data". */

import { byId, make } from './element.js';
import { addTools } from './figure.js';

/** @typedef {import('../types/types').Published} Published */

/** How the kind of a published run is written. */
export const KINDS = { full: '', structured: 'structured stage only', diverged: 'diverged' };
/** The two counts, and two physical converters. */
const RANKED_MODELS = ['paper', 'lossless', 'accelergy', 'neurosim-sar'];
/** The crossbar whose rankings are shown if there are none for the current one. */
const DEFAULT_TILE = 32;

/** @param {HTMLElement} figure @param {Published} published */
function tools(figure, published) {
  return addTools(figure, 'What the published runs save', {
    name: 'what-it-saves',
    columns: [
      ...['data set', 'tile', 'method', 'mark', 'accuracy', 'clean accuracy', 'zeros', 'weights'],
      ...published.models.map(({ model, unit }) => `${model} (${unit})`),
    ],
    rows: () =>
      published.runs.map((run) => {
        const {
          dataset,
          tile,
          method,
          kind,
          accuracy,
          clean_accuracy: clean,
          zeros,
          weights,
          improvement,
        } = run;
        return [dataset, tile, method, KINDS[kind], accuracy, clean, zeros, weights, ...improvement];
      }),
    json: () => published,
    hasPicture: false,
  });
}

/** Rankings on CIFAR-10 for crossbars of this size. @param {Published} published @param {number} tile */
function rankings(published, tile) {
  return published.rankings.filter((ranking) => ranking.dataset === 'CIFAR-10' && ranking.tile === tile);
}

/** @param {import('../types/types').Published['rankings'][number]} ranking */
function rankingText({ model, methods }) {
  const order = methods.map(({ method, improvement, accuracy }) => {
    return `${method} ${improvement.toFixed(2)}× (${accuracy.toFixed(1)} %)`;
  });
  const name = make('b', { textContent: `By ${model}: ` });
  return make('p', { className: 'explain' }, name, `${order.join(', ')}.`);
}

/** @param {import('../types/page').Page} page */
export function publishedRuns({ store, renderer }) {
  /** @type {(() => void) | null} */
  let refreshTools = null;
  const draw = () => {
    const { published, hardware } = store.getState();
    if (!published) return;
    refreshTools ??= tools(byId('saves'), published);
    const own = rankings(published, hardware?.tile ?? 0);
    const shown = own.length > 0 ? own : rankings(published, DEFAULT_TILE);
    const note =
      `CIFAR-10, ${shown[0]?.tile ?? DEFAULT_TILE} rows; each method’s best run within one point of the clean ` +
      'network. The whole table is under Data.';
    const texts = shown.filter(({ model }) => RANKED_MODELS.includes(model)).map(rankingText);
    byId('saves-words').replaceChildren(make('p', { className: 'note', textContent: note }), ...texts);
    refreshTools();
  };
  renderer.add(({ published, hardware }) => [published, hardware?.tile], draw);
}
