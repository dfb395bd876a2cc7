/** Opens files that the page is given: data sets, checkpoints, and reports. */

import { kindOfFiles, readBytes } from './files.js';
import { CheckpointFile } from './opened-file.js';
import { readReport } from './report-file.js';
import { ReportView } from './report-view.js';

/** @typedef {import('./controller.js').Controller} Controller */

/**
 * @param {Controller} controller
 * @param {File[]} files
 * @param {import('../types/wasm').CheckpointOptions} options of a checkpoint
 * @returns {Promise<import('../types/messages').Loaded>}
 */
export async function openFiles(controller, files, options) {
  const opened = await kindOfFiles(files);
  const { kind } = opened;
  if (kind === 'data') await openData(controller, opened.files);
  else if (kind === 'checkpoint') await openCheckpoint(controller, opened.files, options);
  const reports = kind === 'report' ? await openReports(controller, opened.files) : [];
  return { kind, reports };
}

/** Trains on these images from now on. @param {Controller} controller @param {File[]} files */
async function openData(controller, files) {
  const bytes = await Promise.all(files.map(readBytes));
  const { spec, hardware, pruning } = controller.settings;
  const next = { spec: { ...spec, data: /** @type {const} */ ('cifar10') }, hardware, pruning };
  await controller.open(next, { files: bytes });
  controller.data.set(bytes);
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
