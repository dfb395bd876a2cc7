/** Opens files that are dropped anywhere on the page, or chosen: `crossdub.load` gets all of them together. */

import { byId, ignoreReported } from './element.js';

/** @param {import('../types/page').Page} page */
export function acceptFiles({ api }) {
  const input = /** @type {HTMLInputElement} */ (byId('file'));
  const overlay = byId('drop');
  const load = (/** @type {FileList | null | undefined} */ files) => {
    if (files && files.length > 0) ignoreReported(api.load([...files]));
  };
  byId('open-file').addEventListener('click', () => input.click());
  input.addEventListener('change', () => {
    load(input.files);
    // Choosing the same file again is a change then.
    input.value = '';
  });
  const hasFiles = (/** @type {DragEvent} */ event) => event.dataTransfer?.types.includes('Files') ?? false;
  addEventListener('dragover', (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    overlay.hidden = false;
  });
  addEventListener('dragleave', (event) => {
    // The pointer left the window, not just an element.
    if (event.relatedTarget === null) overlay.hidden = true;
  });
  addEventListener('drop', (event) => {
    overlay.hidden = true;
    if (!hasFiles(event)) return;
    event.preventDefault();
    // The list is emptied when this handler returns.
    const transfer = new DataTransfer();
    for (const file of event.dataTransfer?.files ?? []) transfer.items.add(file);
    load(transfer.files);
  });
}
