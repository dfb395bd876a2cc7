/** Opens files that the page is given: data sets, checkpoints, and reports. */

import { failure } from '../api/errors.js';
import { asFailure } from './failure.js';
import { kindOfFiles, readBytes } from './files.js';
import { CheckpointFile } from './opened-file.js';
import { decodePictures, previewClasses } from './pictures.js';
import { readReport } from './report-file.js';
import { ReportView } from './report-view.js';

/** @typedef {import('./controller.js').Controller} Controller */

/**
 * @param {Controller} controller
 * @param {File[]} files
 * @param {import('../types/wasm').CheckpointOptions & { paths?: string[] }} options of a checkpoint, and where each
 * file lies in an opened folder
 * @returns {Promise<import('../types/messages').Loaded>}
 */
export async function openFiles(controller, files, { paths = [], ...options }) {
  const placed = files.map((file, at) => ({ file, path: paths[at] || file.name }));
  const opened = await kindOfFiles(controller.modules.cpu, placed);
  const { kind } = opened;
  const sources = opened.files.map(({ file }) => file);
  if (kind === 'data') await openData(controller, opened.files);
  else if (kind === 'pictures') {
    await openPictures(
      controller,
      opened.files.map(({ file, path }) => ({ path, blob: file })),
    );
  } else if (kind === 'zip') await openPictures(controller, await unpackPictures(controller, sources));
  else if (kind === 'checkpoint') await openCheckpoint(controller, sources, options);
  const reports = kind === 'report' ? await openReports(controller, sources) : [];
  return { kind: kind === 'zip' ? 'pictures' : kind, reports };
}

/** The settings with other data. @param {Controller} controller @param {'cifar10' | 'cifar100' | 'folder'} data */
function settingsWith(controller, data) {
  const { spec, hardware, pruning } = controller.settings;
  return { spec: { ...spec, data }, hardware, pruning };
}

/**
 * Trains on CIFAR's images from now on.
 * @param {Controller} controller
 * @param {import('./files.js').OpenedPath[]} opened
 */
async function openData(controller, opened) {
  const bytes = await Promise.all(
    opened.map(async ({ file, path }) => ({ ...(await readBytes(file)), name: path })),
  );
  /** @param {'cifar10' | 'cifar100'} data */
  const open = async (data) => {
    await controller.open(settingsWith(controller, data), { files: bytes });
    controller.data.set(data, bytes);
  };
  try {
    await open('cifar10');
  } catch (thrown) {
    // The files tell which of the two they are.
    if (asFailure(thrown).field !== 'data') throw thrown;
    await open('cifar100');
  }
}

/** The pictures of a zip file. @param {Controller} controller @param {File[]} sources */
async function unpackPictures(controller, [source]) {
  if (!source) return [];
  controller.emit({ type: 'busy', text: `Unpacking ${source.name}.` });
  const { name, bytes } = await readBytes(source);
  const files = controller.modules.cpu.unpack_pictures(name, bytes);
  if (files.length === 0) {
    throw failure('file', `opening ${name}: the archive has no JPEG or PNG pictures and is no checkpoint`);
  }
  return files.map((file) => ({ path: file.name, blob: new Blob([/** @type {BlobPart} */ (file.bytes)]) }));
}

/**
 * Trains on one's own pictures from now on.
 * @param {Controller} controller
 * @param {import('./pictures.js').PlacedFile[]} placed
 */
async function openPictures(controller, placed) {
  const { modules, emit } = controller;
  const nothing = new Uint8Array();
  const isPicture = (/** @type {string} */ path) => modules.cpu.kind_of_file(path, nothing) === 'picture';
  const { files, unreadable } = await decodePictures(placed, isPicture, (text) =>
    emit({ type: 'busy', text }),
  );
  await controller.open(settingsWith(controller, 'folder'), { files });
  controller.data.set('folder', files);
  const classes = previewClasses(files, controller.runs.current.wasm.classes());
  emit({ type: 'pictures', pictures: { classes, unreadable } });
}

/**
 * Displays a checkpoint: one file, or its shards with their index.
 * @param {Controller} controller
 * @param {File[]} sources
 * @param {import('../types/wasm').CheckpointOptions} options
 */
export async function openCheckpoint(controller, sources, options) {
  const { modules, settings, view, emit } = controller;
  emit({ type: 'busy', text: `Reading ${sources[0]?.name ?? 'a checkpoint'}.` });
  const mapping = { hardware: settings.hardware, pruning: view.defaultPruning };
  await controller.openFile(await CheckpointFile.read(modules.cpu, sources, { ...options, ...mapping }));
}

/** Reads reports, and displays a single one that has maps. @param {Controller} controller @param {File[]} files */
async function openReports(controller, files) {
  const contents = await Promise.all(files.map(readReport));
  const reports = contents.map((report, index) => ({ name: files[index]?.name ?? '', report }));
  const [only] = reports;
  if (reports.length === 1 && only && ReportView.canShow(only.report)) {
    const { hardware } = controller.settings;
    await controller.openFile(new ReportView(only.name, only.report, hardware));
  }
  return reports;
}
