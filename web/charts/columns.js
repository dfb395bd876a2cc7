/** The columns of one tile: bars for effective active rows (Hoyer density), dots for rows above the tolerance. */

import * as Plot from '@observablehq/plot';

import { frame, grid } from './frame.js';

/**
 * @param {import('../types/types').TileDetail} detail
 * @param {import('./frame.js').Size} size
 */
export function columnsChart(detail, size) {
  const { theme, width } = size;
  const { rows, columns, hoyer, counted, first_output } = detail;
  const data = hoyer.map((active, column) => ({ column, active, counted: counted[column] ?? 0 }));
  const inner = (width - 46) / Math.max(1, columns);
  const every = Math.ceil(columns / 6);
  return frame(size, `Effective active rows of the tile's ${columns} columns, out of ${rows}`, {
    x: {
      type: 'band',
      label: null,
      domain: data.map((d) => d.column),
      padding: inner > 4 ? 0.2 : 0,
      ticks: data.map((d) => d.column).filter((column) => column % every === 0),
      tickSize: 3,
      tickFormat: (/** @type {number} */ column) => String(first_output + column),
    },
    y: { domain: [0, rows], label: null, ticks: 4 },
    marginLeft: 34,
    marginRight: 12,
    marks: [
      grid(theme, 4),
      Plot.barY(data, { x: 'column', y: 'active', fill: theme.training }),
      Plot.dot(data, { x: 'column', y: 'counted', r: inner > 6 ? 2 : 1, fill: theme.soft }),
      Plot.ruleY([0], { stroke: theme.soft }),
    ],
  });
}
