/** The browser's URL: read once, and kept equal to the page's settings. */

import { formatHash, parseEmbed } from './url-hash.js';
import { parseWorkers } from './workers.js';

/** @typedef {import('../types/messages').State} State */

/** How the page is embedded. */
export function embedMode() {
  return parseEmbed(location.search);
}

/** How many workers the URL asks for, and what of it is invalid. */
export function requestedWorkers() {
  return parseWorkers(location.search);
}

/** Puts the settings into the URL. @param {State} state */
export function writeUrl({ schema, spec, hardware, pruning }) {
  if (!schema || !spec || !hardware || !pruning) return;
  const hash = formatHash({ spec, hardware, pruning }, schema.defaults);
  // Replaces the entry in the browser's history: changing a setting twenty times is still one visit.
  history.replaceState(history.state, '', location.pathname + location.search + (hash ? `#${hash}` : ''));
}
