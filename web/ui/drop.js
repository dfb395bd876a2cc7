/** Files: dropped anywhere on the page, or chosen. They go to `crossdub.load`, all of one drop together. */

import { byId } from './element.js';

/** @param {ReturnType<import('../api/api.js').makeApi>} api */
export function takeFiles(api) {
  const input = /** @type {HTMLInputElement} */ (byId('file'));
  const veil = byId('drop');
  const load = (/** @type {FileList | null | undefined} */ files) => {
    // A refusal is said by `crossdub:error`.
    if (files && files.length > 0) api.load([...files]).catch(() => undefined);
  };
  byId('open-file').addEventListener('click', () => input.click());
  input.addEventListener('change', () => {
    load(input.files);
    // So that choosing the same file again is a change.
    input.value = '';
  });
  const hasFiles = (/** @type {DragEvent} */ event) => event.dataTransfer?.types.includes('Files') ?? false;
  addEventListener('dragover', (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    veil.hidden = false;
  });
  addEventListener('dragleave', (event) => {
    // Only when the pointer leaves the window, not when it passes from one element to the next.
    if (event.relatedTarget === null) veil.hidden = true;
  });
  addEventListener('drop', (event) => {
    veil.hidden = true;
    if (!hasFiles(event)) return;
    event.preventDefault();
    // The list is emptied when this handler returns.
    const transfer = new DataTransfer();
    for (const file of event.dataTransfer?.files ?? []) transfer.items.add(file);
    load(transfer.files);
  });
}
