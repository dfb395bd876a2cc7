/**
 * Accuracy against ADC improvement: the authors' published runs behind, the present run and the compared
 * ones before them. A line joins a run's stages: trained, pruned, fine-tuned. Up and to the right is better.
 */

import * as Plot from '@observablehq/plot';

import { frame, grid } from './frame.js';

/** @typedef {'full' | 'structured' | 'diverged'} Kind */
/** @typedef {{ kind: Kind, tile: number, accuracy: number, improvement: number, label: string }} Background */
/** @typedef {{ stage: string, accuracy: number, improvement: number }} Stage */
/** @typedef {{ name: string, colour: string, dash: string, present: boolean, stages: Stage[] }} Path */

/** @type {Record<Kind, Plot.MarkerName | Plot.SymbolType>} */
const SYMBOLS = { full: 'circle', structured: 'square', diverged: 'times' };
/** Accuracy axis: no closer than this many percent points, so that noise stays small. */
const LEAST_SPAN = 12;

/**
 * The accuracies that the axis covers; what diverged to chance is drawn at its lower edge.
 * @param {Background[]} published @param {Path[]} paths
 * @returns {[number, number]}
 */
function accuracyDomain(published, paths) {
  const values = published.filter((run) => run.kind !== 'diverged').map((run) => run.accuracy);
  values.push(...paths.flatMap((path) => path.stages.map((stage) => stage.accuracy)));
  const [low, high] = [Math.min(100, ...values), Math.max(0, ...values)];
  const top = Math.min(100, Math.ceil(high + 2));
  return [Math.max(0, Math.min(Math.floor(low - 2), top - LEAST_SPAN)), top];
}

/**
 * @param {{ published: Background[], paths: Path[], tile: number, model: string }} data
 * @param {import('./frame.js').Size} size
 */
export function paretoChart({ published, paths, tile, model }, size) {
  const { theme, width } = size;
  const stages = paths.flatMap((path) => path.stages.map((stage) => ({ ...stage, ...path, label: `${path.name}, ${stage.stage}` })));
  const domain = accuracyDomain(published, paths);
  const at = (/** @type {number} */ accuracy) => Math.max(domain[0], accuracy);
  const most = Math.max(2, ...published.map((run) => run.improvement), ...stages.map((stage) => stage.improvement));
  const tips = [...published, ...stages].map((run) => ({ ...run, y: at(run.accuracy) }));
  const title = (/** @type {typeof tips[number]} */ run) => `${run.label}\n${run.accuracy.toFixed(2)} % at ${run.improvement.toFixed(2)}×`;
  const name = (/** @type {Path} */ path) => path.stages.at(-1);
  return frame(size, `Accuracy against ADC improvement (${model}): ${published.length} published runs and ${paths.length} of yours`, {
    x: {
      type: 'log', domain: [0.97, most * 1.12], ticks: [1, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30].filter((tick) => tick <= most * 1.12),
      tickFormat: (/** @type {number} */ v) => `${v}×`, label: `ADC energy, dense ÷ pruned (${model})`, labelAnchor: 'center', labelArrow: 'none', labelOffset: 34, tickSize: 3,
    },
    y: { domain, label: null, ticks: 5, tickFormat: (/** @type {number} */ v) => `${v} %` },
    marginRight: Math.min(110, width / 5),
    marginLeft: 46,
    marginBottom: 40,
    symbol: { domain: Object.values(SYMBOLS), range: Object.values(SYMBOLS) },
    marks: [
      grid(theme, 5),
      Plot.ruleY([domain[0]], { stroke: theme.soft }),
      // Filled where the crossbars are as large as the user's.
      Plot.dot(published, {
        x: 'improvement', y: (run) => at(run.accuracy), r: 3.6, symbol: (/** @type {Background} */ run) => SYMBOLS[run.kind],
        stroke: theme.soft, strokeWidth: 1.4, fill: (run) => (run.tile === tile && run.kind !== 'diverged' ? theme.soft : 'none'), fillOpacity: 0.55, clip: false,
      }),
      ...paths.map(({ stages: line, colour, dash, present }) =>
        Plot.line(line, { x: 'improvement', y: (stage) => at(stage.accuracy), stroke: colour, strokeWidth: present ? 2.2 : 1.6, strokeDasharray: dash }),
      ),
      Plot.dot(stages, { x: 'improvement', y: (stage) => at(stage.accuracy), r: (stage) => (stage.present ? 5 : 4), fill: 'colour', stroke: theme.ground, strokeWidth: 1 }),
      Plot.text(paths.filter((path) => path.stages.length > 0), {
        x: (path) => name(path)?.improvement, y: (path) => at(name(path)?.accuracy ?? 0), text: (path) => (path.name.length > 20 ? `${path.name.slice(0, 19)}…` : path.name),
        dx: 9, textAnchor: 'start', fill: 'colour', fontWeight: 600, stroke: theme.ground, strokeWidth: 4,
      }),
      Plot.tip(tips, Plot.pointer({ x: 'improvement', y: 'y', title, maxRadius: 24, fill: theme.ground, stroke: theme.line, textPadding: 7 })),
    ],
  });
}
