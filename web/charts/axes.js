/** Axes and numbers of the charts. Nothing here draws. */

/** Minimum length of an axis of steps, so that the first few steps don't make it jump. */
const MIN_STEPS = 20;

/**
 * The last step of any of these histories.
 * @param {{ step: number }[][]} histories
 */
export function lastStep(...histories) {
  return Math.max(0, ...histories.map((history) => history.at(-1)?.step ?? 0));
}

/**
 * An axis of steps, from 0.
 * @param {number} last the last step drawn
 * @param {number} width of the chart
 * @param {string | null} [label] null where the chart below labels the same axis
 */
export function stepAxis(last, width, label = null) {
  return {
    domain: [0, Math.max(MIN_STEPS, last)],
    label,
    labelAnchor: /** @type {const} */ ('center'),
    labelArrow: /** @type {const} */ ('none'),
    labelOffset: 34,
    ticks: Math.max(2, Math.round(width / 80)),
    tickSize: 3,
  };
}

/**
 * Which side of a line at `step` its label goes: left near the end of the axis, where the curves' names are.
 * @param {number} step
 * @param {number} last the last step drawn
 */
export function labelSide(step, last) {
  return step > 0.75 * Math.max(MIN_STEPS, last)
    ? { dx: -4, textAnchor: /** @type {const} */ ('end') }
    : { dx: 4, textAnchor: /** @type {const} */ ('start') };
}

/**
 * Ticks of a logarithmic axis: 1, 2 and 5 times powers of ten, or the powers alone over a wide range.
 * @param {number} low
 * @param {number} high
 */
export function logTicks(low, high) {
  const ticks = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power += 1) {
    for (const factor of high / low > 300 ? [1] : [1, 2, 5]) ticks.push(Number(`${factor}e${power}`));
  }
  return ticks.filter((tick) => tick >= low && tick <= high);
}

/**
 * Three significant digits; large numbers in scientific notation.
 * @param {number} value
 */
export function shortNumber(value) {
  if (value === 0) return '0';
  return Math.abs(value) >= 1000 ? value.toExponential(1) : String(Number(value.toPrecision(3)));
}

/** Letters of a name beside its curve. */
const LETTERS = 20;

/**
 * A name of at most 20 letters: names of runs often differ at their ends, which stay.
 * @param {string} name
 */
export function briefName(name) {
  if (name.length <= LETTERS) return name;
  const end = Math.floor(LETTERS / 2);
  return `${name.slice(0, LETTERS - end - 1)}…${name.slice(-end)}`;
}
