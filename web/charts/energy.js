/** Previewed improvement in ADC energy against steps, counted both ways. */

import * as Plot from '@observablehq/plot';

import { labelSide, stepAxis } from './axes.js';
import { frame, grid, pruningMark } from './frame.js';
import { downsample } from './series.js';

/** @typedef {import('../types/messages').Point} Point */

/**
 * Steps at which the previewed pruning changed: values before and after can't be compared.
 * @param {Point[]} history
 */
export function pruningChanges(history) {
  const changes = [];
  let before = /** @type {string | null} */ (null);
  for (const { step, pruning } of history) {
    if (pruning === null) continue;
    if (before !== null && pruning !== before) changes.push({ step, pruning });
    before = pruning;
  }
  return changes.slice(-6);
}

/**
 * @param {Point[]} history
 * @param {import('./frame.js').Size} size
 */
export function energyChart(history, size) {
  const { theme, width } = size;
  const paper = downsample(history, (point) => point.improvement_paper, 200);
  const lossless = downsample(history, (point) => point.improvement_lossless, 200);
  const values = [...paper, ...lossless].map((point) => point.value);
  const high = Math.max(2, 1.08 * Math.max(0, ...values));
  const times = (/** @type {number} */ v) => `${v.toFixed(v < 10 ? 2 : 1)}×`;
  const end = history.at(-1)?.step ?? 0;
  const [p, l] = [paper.at(-1), lossless.at(-1)];
  const label =
    p && l
      ? `Energy improvement at step ${p.step}: paper ${times(p.value)}, lossless ${times(l.value)}`
      : 'Energy improvement: no step yet';
  // Keeps the two labels on the right apart.
  const close = p && l ? Math.abs(p.value - l.value) / (high - 1) < 0.14 : false;
  const line = (
    /** @type {typeof paper} */ data,
    /** @type {string} */ colour,
    /** @type {string | undefined} */ dash,
  ) => [
    Plot.lineY(data, { x: 'step', y: 'value', stroke: colour, strokeWidth: 2.2, strokeDasharray: dash }),
    Plot.dot(data.slice(-1), { x: 'step', y: 'value', r: 3, fill: colour }),
  ];
  const name = (
    /** @type {typeof p} */ point,
    /** @type {string} */ text,
    /** @type {string} */ colour,
    /** @type {number} */ dy,
  ) =>
    Plot.text(point ? [point] : [], {
      x: 'step',
      y: 'value',
      text: () => text,
      dx: 8,
      dy,
      textAnchor: 'start',
      fill: colour,
      fontWeight: 600,
    });
  return frame(size, label, {
    x: stepAxis(end, width, 'step'),
    y: { domain: [1, high], label: null, ticks: 5, tickFormat: (/** @type {number} */ v) => `${v}×` },
    marginRight: 62,
    marginBottom: 36,
    marks: [
      grid(theme, 5),
      Plot.ruleY([1], { stroke: theme.soft }),
      Plot.ruleX(pruningChanges(history), { x: 'step', stroke: theme.soft, strokeDasharray: '2,3' }),
      ...pruningChanges(history).map((change) =>
        Plot.text([change], {
          x: 'step',
          frameAnchor: 'top',
          text: 'pruning',
          ...labelSide(change.step, end),
          fill: theme.soft,
          fontSize: 11,
        }),
      ),
      ...pruningMark(size),
      ...line(paper, theme.paper, undefined),
      ...line(lossless, theme.lossless, '6,3'),
      name(p, 'paper', theme.paper, close ? -7 : 0),
      name(l, 'lossless', theme.lossless, close ? 8 : 0),
    ],
  });
}
