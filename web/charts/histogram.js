/** Tiles at each level: bars if pruned now, dashes for the current weights. */

import * as Plot from '@observablehq/plot';

import { frame, grid } from './frame.js';
import { levelScale } from './scales.js';

/**
 * @param {{ previewed: number[], current: number[] }} tiles at each level
 * @param {import('./frame.js').Size} size
 */
export function histogramChart({ previewed, current }, size) {
  const { theme } = size;
  const last = previewed.length - 1;
  const colours = levelScale(last, theme);
  const data = previewed.map((tiles, level) => ({ level, tiles, current: current[level] ?? 0 }));
  const label = `Tiles by level if pruned now: ${data.map((d) => `level ${d.level}: ${d.tiles}`).join(', ')}`;
  const name = (/** @type {number} */ level) =>
    level === 0 ? '0\ndense' : level === last ? `${level}\nempty` : String(level);
  return frame(size, label, {
    x: {
      type: 'band',
      domain: data.map((d) => d.level),
      label: null,
      tickSize: 0,
      tickFormat: name,
      padding: 0.18,
    },
    y: { label: null, ticks: 4, nice: true, domain: [0, Math.max(1, ...previewed, ...current) * 1.1] },
    marginTop: 14,
    marginBottom: 36,
    marks: [
      grid(theme, 4),
      Plot.barY(data, { x: 'level', y: 'tiles', fill: (d) => colours.colour(d.level) }),
      Plot.tickY(
        data.filter((d) => d.current > 0),
        { x: 'level', y: 'current', stroke: theme.ink, strokeWidth: 2, strokeDasharray: '3,2' },
      ),
      // Labelled only where the label doesn't run into the number of a tall bar.
      Plot.text(
        data
          .filter((d) => d.current > 0 && d.current > 1.5 * Math.max(d.tiles, previewed[d.level + 1] ?? 0))
          .slice(0, 1),
        {
          x: 'level',
          y: 'current',
          text: () => 'unpruned',
          dy: -8,
          dx: -17,
          textAnchor: 'start',
          fill: theme.soft,
          fontSize: 11,
          stroke: theme.ground,
          strokeWidth: 4,
        },
      ),
      Plot.text(
        data.filter((d) => d.tiles > 0),
        {
          x: 'level',
          y: 'tiles',
          text: (d) => String(d.tiles),
          dy: -7,
          fill: theme.ink,
          fontWeight: 600,
          stroke: theme.ground,
          strokeWidth: 4,
        },
      ),
      Plot.ruleY([0], { stroke: theme.soft }),
    ],
  });
}
