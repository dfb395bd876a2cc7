/** Inline messages: one line each, at most one of a kind. */

import { byId, make } from './element.js';

/**
 * @typedef {object} Message
 * @property {string} text
 * @property {boolean} [isError]
 * @property {boolean} [isPermanent] can't be closed: it says what is displayed, and how to leave that
 * @property {{ label: string, onClick: () => void }[]} [actions]
 * @property {{ summary: string, lines: string[] } | null} [details] lines that can be unfolded
 * @property {{ label: string, answer: (text: string) => void } | null} [question] a line to answer it
 */

/** @type {Map<string, HTMLElement>} */
const shown = new Map();

/**
 * @param {string} kind a later message of the same kind replaces it
 * @param {Message} message
 */
export function show(kind, message) {
  const {
    text,
    isError = false,
    isPermanent = false,
    actions = [],
    details = null,
    question = null,
  } = message;
  const buttons = actions.map(({ label, onClick }) => {
    const button = make('button', { type: 'button', textContent: label });
    button.addEventListener('click', () => {
      if (!isPermanent) dismiss(kind);
      onClick();
    });
    return button;
  });
  const className = isError ? 'message error' : 'message';
  const node = make('div', { className }, make('p', { textContent: text }), ...buttons);
  if (question) node.append(questionForm(kind, question));
  if (details) {
    const items = details.lines.map((line) => make('li', { textContent: line }));
    node.append(
      make('details', {}, make('summary', { textContent: details.summary }), make('ul', {}, ...items)),
    );
  }
  if (!isPermanent) {
    const ariaLabel = `Close the message: ${text}`;
    const close = make('button', { type: 'button', className: 'quiet', textContent: 'Close', ariaLabel });
    close.addEventListener('click', () => dismiss(kind));
    node.append(close);
  }
  node.dataset.kind = kind;
  dismiss(kind);
  shown.set(kind, node);
  byId('messages').append(node);
}

/** @param {string} kind @param {NonNullable<Message['question']>} question */
function questionForm(kind, { label, answer }) {
  const input = make('input', { type: 'text', required: true, spellcheck: false, autocomplete: 'off' });
  const button = make('button', { type: 'submit', textContent: 'Open' });
  const form = make('form', {}, make('label', {}, label, input), button);
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    dismiss(kind);
    answer(input.value);
  });
  return form;
}

/** @param {string} kind */
export function dismiss(kind) {
  shown.get(kind)?.remove();
  shown.delete(kind);
}
