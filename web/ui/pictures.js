/** One's own pictures: the first of each class, as the network sees them. */

import { byId, make } from './element.js';

const SIDE = 32;

/** @param {Uint8Array} planes @param {string} name */
function thumbnail(planes, name) {
  const canvas = make('canvas', {
    width: SIDE,
    height: SIDE,
    role: 'img',
    ariaLabel: `A picture of ${name}`,
  });
  const image = new ImageData(SIDE, SIDE);
  for (let at = 0; at < SIDE * SIDE; at += 1) {
    for (let plane = 0; plane < 3; plane += 1)
      image.data[4 * at + plane] = planes[plane * SIDE * SIDE + at] ?? 0;
    image.data[4 * at + 3] = 255;
  }
  canvas.getContext('2d')?.putImageData(image, 0, 0);
  return canvas;
}

/** Names as in a sentence. @param {string[]} names */
export function listOf(names) {
  const shown = names.length > 6 ? [...names.slice(0, 5), `${names.length - 5} more`] : names;
  return shown.length < 2 ? shown.join('') : `${shown.slice(0, -1).join(', ')} and ${shown.at(-1)}`;
}

/**
 * What a reader should know of the pictures that are missing.
 * @param {import('../types/messages').Pictures} pictures
 */
export function missingPictures({ unreadable, notes }) {
  const sentence = (/** @type {string} */ text) => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
  const what = unreadable.length === 1 ? '1 picture' : `${unreadable.length} pictures`;
  const bad = unreadable.length > 0 ? [`${what} can't be read: ${listOf(unreadable)}`] : [];
  return [...bad, ...notes].map(sentence);
}

/** @param {import('../types/page').Page} page */
export function pictures({ store }) {
  const box = byId('pictures');
  store.subscribe(
    ({ pictures: opened, spec }) => [opened, spec?.data],
    () => {
      const { pictures: opened, spec } = store.getState();
      box.hidden = !opened || spec?.data !== 'folder';
      if (box.hidden || !opened) return;
      const classes = opened.classes.map(({ name, count, previews }) =>
        make(
          'li',
          {},
          make('span', { className: 'thumbnails' }, ...previews.map((planes) => thumbnail(planes, name))),
          make('span', {}, make('b', { textContent: name }), ` ${count} pictures`),
        ),
      );
      const list = byId('picture-classes');
      list.replaceChildren(...classes);
      byId('picture-note').textContent = missingPictures(opened).join(' ');
    },
  );
  store.subscribe(
    ({ classes }) => classes,
    (classes) => {
      if (classes.length === 0) return;
      const isOwn = store.getState().spec?.data === 'folder';
      byId('class-words').textContent = isOwn ? listOf(classes) : `${classes.length} image classes`;
      byId('accuracy-words').textContent = isOwn
        ? `on held-out pictures of ${listOf(classes)}`
        : 'on held-out images';
    },
  );
}
