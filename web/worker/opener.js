/** Opens files that the page is given: data sets, checkpoints, ONNX models, and reports. */

import { failure } from '../api/errors.js';
import { asFailure } from './failure.js';
import { kindOfFiles, readBytes } from './files.js';
import { CheckpointFile } from './opened-file.js';
import { decodePictures } from './pictures.js';
import { readReport } from './report-file.js';
import { ReportView } from './report-view.js';

/** @typedef {import('./controller.js').Controller} Controller */
/** @typedef {import('./opened-file.js').OpenOptions} OpenOptions */

/**
 * @param {Controller} controller
 * @param {File[]} files
 * @param {OpenOptions & { paths?: string[] }} options of a checkpoint or model, and where each file lies in an opened
 * folder
 * @returns {Promise<import('../types/messages').Loaded>}
 */
export async function openFiles(controller, files, { paths = [], ...options }) {
  const placed = files.map((file, at) => ({ file, path: paths[at] || file.name }));
  const opened = await kindOfFiles(controller.modules.cpu, placed);
  switch (opened.kind) {
    case 'data':
      await openData(controller, opened.files);
      return { kind: 'data', reports: [] };
    case 'archive':
      return { kind: await openArchive(controller, opened.files), reports: [] };
    case 'pictures': {
      const others = placed.filter((each) => !opened.files.includes(each)).map(({ path }) => path);
      const pictures = opened.files.map(({ file, path }) => ({ path, blob: file }));
      await openPictures(controller, pictures, others);
      return { kind: 'pictures', reports: [] };
    }
    case 'report': {
      const sources = opened.files.map(({ file }) => file);
      return { kind: 'report', reports: await openReports(controller, sources) };
    }
    default: {
      const { kind, files: sources, otherWeights = [] } = opened;
      await openCheckpoint(controller, { kind, files: sources, beside: placed, otherWeights }, options);
      return { kind: 'checkpoint', reports: [] };
    }
  }
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

/**
 * Trains on the pictures of an archive (zip, tar or tar.gz), or on CIFAR's images.
 * @param {Controller} controller
 * @param {import('./files.js').OpenedPath[]} opened
 * @returns {Promise<'pictures' | 'data'>}
 */
async function openArchive(controller, opened) {
  const [source] = opened;
  if (!source) return 'pictures';
  controller.emit({ type: 'busy', text: `Unpacking ${source.file.name}.` });
  const { name, bytes } = await readBytes(source.file);
  const { files, others, cifar } = controller.modules.cpu.unpack_pictures(name, bytes);
  // CIFAR's reader also tells files by their content, and a single compressed one.
  if (files.length === 0 && (cifar || !isZip(bytes))) {
    await openData(controller, opened);
    return 'data';
  }
  if (files.length === 0) {
    const why = 'the archive has no JPEG or PNG pictures and no files of CIFAR, and is no checkpoint';
    throw failure('file', `opening ${name}: ${why}`);
  }
  const placed = files.map((file) => ({
    path: file.name,
    blob: new Blob([/** @type {BlobPart} */ (file.bytes)]),
  }));
  await openPictures(controller, placed, others);
  return 'pictures';
}

/** @param {Uint8Array} bytes */
const isZip = (bytes) => bytes[0] === 0x50 && bytes[1] === 0x4b;

/** Pictures of each class that are shown. */
const PREVIEWS = 4;

/**
 * Trains on one's own pictures from now on.
 * @param {Controller} controller
 * @param {import('./pictures.js').PlacedFile[]} placed
 * @param {string[]} others the paths of other files
 */
async function openPictures(controller, placed, others) {
  const { cpu } = controller.modules;
  const nothing = new Uint8Array();
  const isPicture = (/** @type {string} */ path) => cpu.kind_of_file(path, nothing) === 'picture';
  const { files, unreadable } = await decodePictures(placed, isPicture, (text) =>
    controller.emit({ type: 'busy', text }),
  );
  const all = files.map((file) => (isPicture(file.name) ? { name: file.name, bytes: nothing } : file));
  const notes = cpu.picture_notes([...all, ...others.map((name) => ({ name, bytes: nothing }))]);
  await controller.open(settingsWith(controller, 'folder'), { files });
  controller.data.set('folder', files);
  const classes = controller.runs.current.wasm.class_pictures(PREVIEWS);
  controller.emit({ type: 'pictures', pictures: { classes, unreadable, notes } });
}

/**
 * Displays a checkpoint (one file, or its shards with their index) or an ONNX model.
 * @param {Controller} controller
 * @param {import('./opened-file.js').Source} source
 * @param {OpenOptions} options
 */
async function openCheckpoint(controller, source, options) {
  const { modules, settings, view, emit } = controller;
  emit({ type: 'busy', text: `Reading ${source.files[0]?.file.name ?? 'a checkpoint'}.` });
  const mapping = { hardware: settings.hardware, pruning: view.defaultPruning };
  await controller.openFile(await CheckpointFile.read(modules, source, options, mapping));
}

/**
 * Displays the opened checkpoint with other options.
 * @param {Controller} controller
 * @param {Partial<OpenOptions>} changes
 */
export async function openAgain(controller, changes) {
  const { file } = controller.view;
  if (!(file instanceof CheckpointFile)) return;
  await openCheckpoint(controller, file.source, { ...file.options, ...changes });
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
