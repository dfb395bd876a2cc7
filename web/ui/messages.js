/** Inline messages: one line each, at most one of a kind, and nothing is lost when it is put away. */

import { byId, make } from './element.js';

/**
 * @typedef {object} Message
 * @property {string} text
 * @property {boolean} [error]
 * @property {boolean} [stays] whether it can't be put away: it says what the page is showing, and how to leave that
 * @property {{ label: string, act: () => void }[]} [actions]
 */

/** @type {Map<string, HTMLElement>} */
const shown = new Map();

/**
 * @param {string} kind a later message of the same kind takes its place
 * @param {Message} message
 */
export function say(kind, { text, error = false, stays = false, actions = [] }) {
  const buttons = actions.map(({ label, act }) => {
    const button = make('button', { type: 'button', textContent: label });
    button.addEventListener('click', () => {
      if (!stays) unsay(kind);
      act();
    });
    return button;
  });
  const node = make(
    'div',
    { className: error ? 'message error' : 'message' },
    make('p', { textContent: text }),
    ...buttons,
  );
  if (!stays) {
    const close = make('button', {
      type: 'button',
      className: 'quiet',
      textContent: 'Close',
      ariaLabel: `Close the message: ${text}`,
    });
    close.addEventListener('click', () => unsay(kind));
    node.append(close);
  }
  node.dataset.kind = kind;
  unsay(kind);
  shown.set(kind, node);
  byId('messages').append(node);
}

/** @param {string} kind */
export function unsay(kind) {
  shown.get(kind)?.remove();
  shown.delete(kind);
}
