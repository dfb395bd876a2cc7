/**
 * Accuracy against ADC improvement: the current and the compared runs in front of the authors' published runs.
 * A line joins the stages of a run: trained, pruned, fine-tuned. Up and to the right is better.
 */

import * as Plot from '@observablehq/plot';

import { briefName } from './axes.js';
import { frame, grid } from './frame.js';

/** @typedef {'full' | 'structured' | 'diverged'} RunKind */
/** @typedef {{ kind: RunKind, tile: number, accuracy: number, improvement: number, label: string }} PublishedPoint */
/** @typedef {{ stage: string, accuracy: number, improvement: number }} StagePoint */
/** @typedef {{ name: string, colour: string, dash: string, current: boolean, stages: StagePoint[] }} RunPath */

/** @type {Record<RunKind, Plot.MarkerName | Plot.SymbolType>} */
const SYMBOLS = { full: 'circle', structured: 'square', diverged: 'times' };
/** The accuracy axis spans at least this many percentage points, so that noise looks small. */
const MIN_SPAN = 12;

/**
 * The range of the accuracy axis. Runs far below the published ones (diverged, or hardly trained) are drawn at
 * its lower edge, as the others would be squashed otherwise.
 * @param {PublishedPoint[]} published @param {RunPath[]} paths
 * @returns {[number, number]}
 */
export function accuracyDomain(published, paths) {
  const known = published.filter((run) => run.kind !== 'diverged').map((run) => run.accuracy);
  const floor = known.length > 0 ? Math.min(...known) - MIN_SPAN : 0;
  const values = [
    ...known,
    ...paths.flatMap((path) => path.stages.map((stage) => Math.max(floor, stage.accuracy))),
  ];
  if (values.length === 0) return [0, 100];
  const [low, high] = [Math.min(100, ...values), Math.max(0, ...values)];
  const top = Math.min(100, Math.ceil(high + 2));
  return [Math.max(0, Math.min(Math.floor(low - 2), top - MIN_SPAN)), top];
}

/** Approximate size of a label, of one of its letters, and of the space before it. */
const LABEL = { width: 130, height: 14, letter: 7.5, space: 9 };

/**
 * How far each label moves up, in pixels, so that none covers another.
 * @param {{ x: number, y: number }[]} places in pixels; earlier ones keep their place
 */
export function avoidOverlap(places) {
  /** @type {{ x: number, y: number }[]} */
  const taken = [];
  return places.map(({ x, y }) => {
    let at = y;
    const hits = () =>
      taken.some((other) => Math.abs(other.x - x) < LABEL.width && Math.abs(other.y - at) < LABEL.height);
    while (hits()) at -= LABEL.height;
    taken.push({ x, y: at });
    return at - y;
  });
}

/**
 * @param {{ published: PublishedPoint[], paths: RunPath[], tile: number, model: string }} data
 * @param {import('./frame.js').Size} size
 */
export function paretoChart({ published, paths, tile, model }, size) {
  const { theme, width } = size;
  const stages = paths.flatMap((path) =>
    path.stages.map((stage) => ({ ...stage, ...path, label: `${path.name}, ${stage.stage}` })),
  );
  const domain = accuracyDomain(published, paths);
  const at = (/** @type {number} */ accuracy) => Math.max(domain[0], accuracy);
  const most = Math.max(
    2,
    ...published.map((run) => run.improvement),
    ...stages.map((stage) => stage.improvement),
  );
  const tips = [...published, ...stages].map((run) => ({ ...run, y: at(run.accuracy) }));
  const title = (/** @type {typeof tips[number]} */ run) =>
    `${run.label}\n${run.accuracy.toFixed(2)} % at ${run.improvement.toFixed(2)}×`;
  const margins = { left: 52, right: Math.min(110, width / 5), top: 16, bottom: 40 };
  const end = most * 1.12;
  /** Pixels from the axis. @param {number} improvement */
  const across = (improvement) =>
    (Math.log(improvement / 0.97) / Math.log(end / 0.97)) * (width - margins.left - margins.right);
  const named = paths
    .flatMap((path) => {
      const last = path.stages.at(-1);
      if (!last) return [];
      const name = briefName(path.name);
      // At the edge, the axis doesn't show the accuracy.
      const text = last.accuracy < domain[0] ? `${name}, ${last.accuracy.toFixed(1)} %` : name;
      const x = across(last.improvement);
      const isLeft = margins.left + x + LABEL.space + LABEL.letter * text.length > width;
      const below = last.accuracy < domain[0];
      return [{ ...last, colour: path.colour, text, current: path.current, below, x, isLeft }];
    })
    .sort((a, b) => Number(b.current) - Number(a.current));
  const moved = avoidOverlap(
    named.map(({ accuracy, below, x, isLeft }) => ({
      x: isLeft ? x - LABEL.width : x,
      y:
        ((domain[1] - at(accuracy)) / (domain[1] - domain[0])) *
          (size.height - margins.top - margins.bottom) -
        (below ? LABEL.height : 0),
    })),
  );
  return frame(
    size,
    `Accuracy against ADC improvement (${model}): ${published.length} published runs, ${paths.length} of your own`,
    {
      x: {
        type: 'log',
        domain: [0.97, end],
        ticks: (width < 400 ? [1, 2, 4, 8, 16, 32] : [1, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30]).filter(
          (tick) => tick <= end,
        ),
        tickFormat: (/** @type {number} */ v) => `${v}×`,
        label: `ADC energy, dense ÷ pruned (${model})`,
        labelAnchor: 'center',
        labelArrow: 'none',
        labelOffset: 34,
        tickSize: 3,
      },
      y: { domain, label: null, ticks: 5, tickFormat: (/** @type {number} */ v) => `${v} %` },
      marginTop: margins.top,
      marginRight: margins.right,
      marginLeft: margins.left,
      marginBottom: margins.bottom,
      symbol: { domain: Object.values(SYMBOLS), range: Object.values(SYMBOLS) },
      marks: [
        grid(theme, 5),
        Plot.ruleY([domain[0]], { stroke: theme.soft }),
        // Filled if the crossbars have the same size as the current ones.
        Plot.dot(published, {
          x: 'improvement',
          y: (run) => at(run.accuracy),
          r: 3.6,
          symbol: (/** @type {PublishedPoint} */ run) => SYMBOLS[run.kind],
          stroke: theme.soft,
          strokeWidth: 1.4,
          fill: (run) => (run.tile === tile && run.kind !== 'diverged' ? theme.soft : 'none'),
          fillOpacity: 0.55,
          clip: false,
        }),
        ...paths.map(({ stages: line, colour, dash, current }) =>
          Plot.line(line, {
            x: 'improvement',
            y: (stage) => at(stage.accuracy),
            stroke: colour,
            strokeWidth: current ? 2.2 : 1.6,
            strokeDasharray: dash,
          }),
        ),
        Plot.dot(stages, {
          x: 'improvement',
          y: (stage) => at(stage.accuracy),
          r: (stage) => (stage.current ? 5 : 4),
          fill: 'colour',
          stroke: theme.ground,
          strokeWidth: 1,
        }),
        ...named.map((label, which) =>
          Plot.text([label], {
            x: 'improvement',
            y: at(label.accuracy),
            text: 'text',
            dx: label.isLeft ? -LABEL.space : LABEL.space,
            textAnchor: label.isLeft ? 'end' : 'start',
            dy: (moved[which] ?? 0) - (label.below ? LABEL.height : 0),
            fill: label.colour,
            fontWeight: 600,
            stroke: theme.ground,
            strokeWidth: 4,
          }),
        ),
        Plot.tip(
          tips,
          Plot.pointer({
            x: 'improvement',
            y: 'y',
            title,
            maxRadius: 24,
            fill: theme.ground,
            stroke: theme.line,
            textPadding: 7,
          }),
        ),
      ],
    },
  );
}
