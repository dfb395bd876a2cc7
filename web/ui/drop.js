/** Opens files that are dropped anywhere on the page, or chosen: `crossdub.load` gets all of them together. */

import { byId } from './element.js';
import { dismiss, show } from './messages.js';

/** Files, and where they lie in their folder. @typedef {{ file: File, path: string }[]} PlacedFiles */

/** @param {import('../types/page').Page} page */
export function acceptFiles({ api }) {
  const overlay = byId('drop');
  /** @param {PlacedFiles} placed @param {import('../types/messages').LoadOptions} [options] */
  const load = async (placed, options = {}) => {
    // One about a folder, which no success takes back by itself.
    dismiss('error');
    const paths = placed.map(({ path }) => path);
    const files = placed.map(({ file }) => file);
    try {
      await api.load(files, { ...options, paths });
    } catch (thrown) {
      // The error is reported elsewhere; one about a shape can be answered.
      const { field, message } = /** @type {import('../types/messages').Failure} */ (thrown);
      if (field !== 'input_shape') return;
      const label = 'Sizes of the input, such as 1x3x224x224';
      const answer = (/** @type {string} */ text) =>
        void load(placed, { input_shape: text.trim().split(/\s+/) });
      show('error', { text: message, isError: true, question: { label, answer } });
    }
  };
  /** All of a folder or nothing: a part of it would be other data. @param {PlacedFiles} placed */
  const loadAll = (placed) => {
    if (placed.length <= MAX_FILES) return load(placed);
    const text = `This folder has more than ${MAX_FILES} files, which do not fit in the browser’s memory.`;
    return show('error', { text, isError: true });
  };
  choose('open-file', 'file', load);
  choose('open-folder', 'folder', loadAll);
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
    if (entries.some((entry) => entry?.isDirectory)) void filesBelow(entries).then(loadAll, showUnreadable);
    else if (files.length > 0) void load(files.map((file) => ({ file, path: file.name })));
  });
}

/** @param {unknown} thrown by the browser while it listed a folder */
function showUnreadable(thrown) {
  const why = thrown instanceof Error ? thrown.message : String(thrown);
  show('error', { text: `The folder can’t be read: ${why}`, isError: true });
}

/**
 * A button that lets the user choose files, or a folder where the browser can.
 * @param {string} button
 * @param {string} field
 * @param {(placed: PlacedFiles) => void} load
 */
function choose(button, field, load) {
  const input = /** @type {HTMLInputElement} */ (byId(field));
  const isFolder = input.hasAttribute('webkitdirectory');
  byId(button).hidden = isFolder && !('webkitdirectory' in input);
  byId(button).addEventListener('click', () => input.click());
  input.addEventListener('change', () => {
    const placed = [...(input.files ?? [])].map((file) => ({
      file,
      path: file.webkitRelativePath || file.name,
    }));
    const visible = placed.filter(({ path }) => !path.split('/').some((part) => part.startsWith('.')));
    const chosen = isFolder ? visible : placed;
    if (chosen.length > 0) load(chosen);
    // Choosing the same file again is a change then.
    input.value = '';
  });
}

/** More files than this do not fit in memory. */
const MAX_FILES = 60_000;

/**
 * The files of dropped folders and files, without hidden ones, and where they lie; one more than may be opened at most.
 * @param {(FileSystemEntry | null)[]} entries
 * @returns {Promise<PlacedFiles>}
 */
async function filesBelow(entries) {
  const waiting = entries.filter((entry) => entry !== null);
  /** @type {PlacedFiles} */
  const files = [];
  for (let entry = waiting.shift(); entry && files.length <= MAX_FILES; entry = waiting.shift()) {
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
