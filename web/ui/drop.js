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
    const items = [...(event.dataTransfer?.items ?? [])];
    const entries = items.map((item) => item.webkitGetAsEntry?.() ?? null);
    const files = [...(event.dataTransfer?.files ?? [])];
    if (!entries.some((entry) => entry?.isDirectory)) {
      if (files.length > 0) ignoreReported(api.load(files));
      return;
    }
    ignoreReported(
      filesBelow(entries).then((found) =>
        api.load(
          found.map(({ file }) => file),
          { paths: found.map(({ path }) => path) },
        ),
      ),
    );
  });
}

/** More files than this do not fit in memory. */
const MAX_FILES = 60_000;

/**
 * The files of dropped folders and files, without hidden ones, and where they lie.
 * @param {(FileSystemEntry | null)[]} entries
 * @returns {Promise<{ file: File, path: string }[]>}
 */
async function filesBelow(entries) {
  const waiting = entries.filter((entry) => entry !== null);
  /** @type {{ file: File, path: string }[]} */
  const files = [];
  for (let entry = waiting.shift(); entry && files.length < MAX_FILES; entry = waiting.shift()) {
    if (entry.name.startsWith('.')) continue;
    if (entry.isDirectory) {
      const reader = /** @type {FileSystemDirectoryEntry} */ (entry).createReader();
      // A reader gives a hundred entries at a time, and none at the end.
      for (;;) {
        /** @type {FileSystemEntry[]} */
        const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
        if (some.length === 0) break;
        waiting.push(...some);
      }
    } else {
      const found = /** @type {FileSystemFileEntry} */ (entry);
      /** @type {File} */
      const file = await new Promise((resolve, reject) => found.file(resolve, reject));
      files.push({ file, path: entry.fullPath.replace(/^\/+/, '') });
    }
  }
  return files;
}
