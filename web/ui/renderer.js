/** Draws what has changed at the next frame, at most one heavy drawing a frame. A hidden tab draws nothing. */

/** @typedef {import('../state/store.js').Store} Store */
/** @typedef {import('../types/messages').State} State */
/**
 * @typedef {object} Drawing
 * @property {() => void} draw
 * @property {boolean} isLight
 * @property {number} minInterval
 * @property {boolean} isStale
 * @property {number} drawnAt
 * @property {number} cost milliseconds that it last took
 */

/** A drawing that follows training gets at most one part in so many of the time: training needs the cores. */
const SHARE = 10;

/** When it may be drawn again. @param {Drawing} drawing */
function dueAt({ drawnAt, minInterval, cost }) {
  return minInterval === 0 ? drawnAt : drawnAt + Math.max(minInterval, SHARE * cost);
}

export class Renderer {
  #store;
  /** @type {Drawing[]} the more urgent first */
  #drawings = [];
  /** Whether the next frame draws. */
  #hasFrame = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /** @param {Store} store */
  constructor(store) {
    this.#store = store;
  }

  /**
   * Draws when the selected value changes, and once at first.
   * @param {(state: State) => unknown} selector
   * @param {() => void} draw
   * @param {{ isLight?: boolean, minInterval?: number }} [options] a light drawing shares its frame with others;
   * `minInterval` in milliseconds is for one that follows training; the more it costs, the rarer it is drawn
   * @returns {() => void} asks for a drawing at the next frame
   */
  add(selector, draw, { isLight = false, minInterval = 0 } = {}) {
    const drawing = { draw, isLight, minInterval, isStale: true, drawnAt: -Infinity, cost: 0 };
    this.#drawings.push(drawing);
    const invalidate = () => {
      drawing.isStale = true;
      this.#wait();
    };
    this.#store.subscribe(selector, invalidate);
    this.#wait();
    return invalidate;
  }

  /** Draws everything, for another theme or width. */
  drawAll() {
    for (const drawing of this.#drawings) Object.assign(drawing, { isStale: true, drawnAt: -Infinity });
    this.#wait();
  }

  /** Asks for a frame when the next drawing is due: an empty frame costs as much as a small drawing. */
  #wait() {
    if (this.#hasFrame) return;
    clearTimeout(this.#timer);
    const stale = this.#drawings.filter(({ isStale }) => isStale);
    if (stale.length === 0) return;
    const wait = Math.min(...stale.map(dueAt)) - performance.now();
    const ask = () => {
      this.#hasFrame = true;
      requestAnimationFrame(() => this.#frame());
    };
    if (wait > 0) this.#timer = setTimeout(ask, wait);
    else ask();
  }

  #frame() {
    this.#hasFrame = false;
    const now = performance.now();
    const due = this.#drawings.filter((drawing) => drawing.isStale && now >= dueAt(drawing));
    const heavy = due.find((drawing) => !drawing.isLight);
    for (const drawing of due.filter((each) => each.isLight || each === heavy)) {
      Object.assign(drawing, { isStale: false, drawnAt: now });
      const before = performance.now();
      drawing.draw();
      drawing.cost = performance.now() - before;
    }
    this.#wait();
  }
}
