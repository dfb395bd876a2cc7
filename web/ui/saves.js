/** What the authors' published runs save by every model: the order of methods in words, the whole table under "Data". */

import { byId, make } from './element.js';
import { addTools } from './figure.js';

/** @typedef {import('../types/types').Published} Published */

const KINDS = { full: '', structured: 'structured stage only', diverged: 'diverged' };
/** The models whose order of methods is told: the two counts, and one physical converter. */
const TOLD = ['paper', 'lossless', 'accelergy', 'neurosim-sar'];

/** @param {import('../state/session.js').Session} session @returns {() => void} draws */
export function saves({ state }) {
  const figure = byId('saves');
  const { published } = state;
  if (!published) return () => undefined;
  const follow = addTools(figure, 'What the published runs save', {
    name: 'what-it-saves',
    columns: [
      'data set',
      'tile',
      'method',
      'mark',
      'accuracy',
      'clean accuracy',
      'zeros',
      'weights',
      ...published.models.map(({ model, unit }) => `${model} (${unit})`),
    ],
    rows: () =>
      published.runs.map((run) => [
        run.dataset,
        run.tile,
        run.method,
        KINDS[run.kind],
        run.accuracy,
        run.clean_accuracy,
        run.zeros,
        run.weights,
        ...run.improvement,
      ]),
    json: () => published,
    picture: false,
  });
  return () => {
    const tile = state.hardware?.tile ?? 0;
    const own = published.rankings.filter(
      (ranking) => ranking.dataset === 'CIFAR-10' && ranking.tile === tile,
    );
    const known =
      own.length > 0
        ? own
        : published.rankings.filter((ranking) => ranking.dataset === 'CIFAR-10' && ranking.tile === 32);
    const rows = known
      .filter(({ model }) => TOLD.includes(model))
      .map(({ model, methods }) => {
        const order = methods
          .map(
            ({ method, improvement, accuracy }) =>
              `${method} ${improvement.toFixed(2)}× (${accuracy.toFixed(1)} %)`,
          )
          .join(', ');
        return make('p', { className: 'explain' }, make('b', { textContent: `By ${model}: ` }), `${order}.`);
      });
    const note = make('p', {
      className: 'note',
      textContent: `CIFAR-10, ${known[0]?.tile ?? 32} rows; each method’s best run within one point of the clean network; the whole table is under Data.`,
    });
    byId('saves-words').replaceChildren(note, ...rows);
    follow();
  };
}
