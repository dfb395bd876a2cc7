/** The guided tour: it highlights one part of the page at a time and waits for the reader. */

import { byId, make } from '../ui/element.js';
import { chapters } from './chapters.js';

const reducedMotion = matchMedia('(prefers-reduced-motion: reduce)');

export class Tour {
  #chapters = chapters();
  #current = 0;
  #card = byId('tour');
  #opener = byId('start-tour');
  /** @type {() => void} */
  #stopWatching = () => undefined;

  constructor() {
    this.#opener.addEventListener('click', () => (this.#card.hidden ? this.#open(0) : this.#close()));
    this.#card.addEventListener('keydown', (event) => this.#onKey(event));
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    const moves = /** @type {Record<string, number>} */ ({
      ArrowLeft: this.#current - 1,
      ArrowRight: this.#current + 1,
    });
    const to = moves[event.key];
    if (event.key === 'Escape') this.#close();
    else if (to !== undefined && this.#chapters[to]) this.#open(to);
    else return;
    event.preventDefault();
  }

  /** @param {number} index */
  #open(index) {
    this.#leave();
    const chapter = this.#chapters[index];
    if (!chapter) return;
    this.#current = index;
    const target = document.querySelector(chapter.target);
    target?.classList.add('toured');
    // On a phone, the card covers the lower half.
    const alignTop = innerWidth <= 760 || (target?.clientHeight ?? 0) > innerHeight * 0.6;
    target?.scrollIntoView({
      block: alignTop ? 'start' : 'center',
      behavior: reducedMotion.matches ? 'auto' : 'smooth',
    });
    const task = make('p', { className: 'task' }, make('b', { textContent: 'Try: ' }), chapter.task);
    const title = make(
      'h2',
      { id: 'tour-title', tabIndex: -1 },
      `${index + 1} of ${this.#chapters.length}: ${chapter.title}`,
    );
    const text = chapter.text.map((textContent) => make('p', { textContent }));
    this.#card.replaceChildren(title, ...text, task, this.#buttons(index));
    // The card stays off the part that it explains.
    const box = target?.getBoundingClientRect();
    this.#card.classList.toggle('left', box !== undefined && box.left > innerWidth / 2);
    this.#card.hidden = false;
    this.#opener.setAttribute('aria-expanded', 'true');
    title.focus({ preventScroll: true });
    this.#stopWatching = chapter.watch(() => {
      task.classList.add('done');
      task.setAttribute('role', 'status');
      task.replaceChildren(make('b', { textContent: 'Done. ' }), chapter.task);
      this.#stopWatching();
    });
  }

  /** @param {number} index */
  #buttons(index) {
    const button = (/** @type {string} */ textContent, /** @type {() => void} */ act, className = '') => {
      const node = make('button', { type: 'button', textContent, className });
      node.addEventListener('click', act);
      return node;
    };
    const back = button('Back', () => this.#open(index - 1));
    back.disabled = index === 0;
    const last = index === this.#chapters.length - 1;
    const next = last
      ? button('Finish', () => this.#close(), 'primary')
      : button('Next', () => this.#open(index + 1), 'primary');
    return make(
      'p',
      { className: 'buttons' },
      button('Leave the tour', () => this.#close(), 'quiet'),
      back,
      next,
    );
  }

  #leave() {
    this.#stopWatching();
    document.querySelector('.toured')?.classList.remove('toured');
  }

  #close() {
    this.#leave();
    this.#card.hidden = true;
    this.#opener.setAttribute('aria-expanded', 'false');
    this.#opener.focus({ preventScroll: true });
  }
}
