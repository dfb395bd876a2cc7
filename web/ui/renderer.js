/** Draws what has changed at the next frame, at most one heavy drawing a frame. A hidden tab draws nothing. */

/** @typedef {import('../state/store.js').Store} Store */
/** @typedef {import('../types/messages').State} State */
/** @typedef {{ draw: () => void, isLight: boolean, minInterval: number, isStale: boolean, drawnAt: number }} Drawing */

export class Renderer {
  #store;
  /** @type {Drawing[]} the more urgent first */
  #drawings = [];
  #isWaiting = false;

  /** @param {Store} store */
  constructor(store) {
    this.#store = store;
  }

  /**
   * Draws when the selected value changes, and once at first.
   * @param {(state: State) => unknown} selector
   * @param {() => void} draw
   * @param {{ isLight?: boolean, minInterval?: number }} [options] a light drawing shares its frame with others;
   * `minInterval` is in milliseconds
   * @returns {() => void} asks for a drawing at the next frame
   */
  add(selector, draw, { isLight = false, minInterval = 0 } = {}) {
    const drawing = { draw, isLight, minInterval, isStale: true, drawnAt: -Infinity };
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

  #wait() {
    if (this.#isWaiting) return;
    this.#isWaiting = true;
    requestAnimationFrame(() => this.#frame());
  }

  #frame() {
    this.#isWaiting = false;
    const now = performance.now();
    const due = this.#drawings.filter(
      ({ isStale, drawnAt, minInterval }) => isStale && now - drawnAt >= minInterval,
    );
    const heavy = due.find((drawing) => !drawing.isLight);
    for (const drawing of due.filter((each) => each.isLight || each === heavy)) {
      Object.assign(drawing, { isStale: false, drawnAt: now });
      drawing.draw();
    }
    if (this.#drawings.some((drawing) => drawing.isStale)) this.#wait();
  }
}
