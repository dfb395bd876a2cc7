/** A run's report shown in place of the run: what its file says, and nothing that would need the weights. */

import { PER_TILE } from './report-file.js';

/** @typedef {import('../types/types').HardwareSpec} HardwareSpec */
/** @typedef {import('../types/types').Report} Report */

/** The hardware fields that every drawing of a report can follow: it holds the bits and energies for all of them. */
const FREE = ['adc', 'resolution', 'per'];

/** @param {HardwareSpec} hardware */
const mapping = (hardware) =>
  JSON.stringify(
    Object.entries(hardware)
      .filter(([name]) => !FREE.includes(name))
      .sort(),
  );

const refuse = () => {
  throw { message: 'a report holds no weights: open the run’s weights.safetensors for that' };
};

/** With a checkpoint's methods. */
export class ShownReport {
  report;
  #hardware = '';

  /** @param {Report} report @param {HardwareSpec} hardware what the page maps to while it is shown */
  constructor(report, hardware) {
    this.report = report;
    this.#hardware = mapping(hardware);
  }

  /** Whether there is more to show than curves. @param {Report} report */
  static canShow({ maps }) {
    return Array.isArray(maps) && maps.length > 0 && maps.every((map) => PER_TILE.every((key) => key in map));
  }

  /** @returns {import('../types/types').View} */
  view() {
    const { analysis, maps = [] } = this.report;
    const { weights, zeros, histogram, energy } = analysis;
    return { analysis, maps, preview: { weights, zeros, histogram, energy } };
  }

  inference() {
    return this.report.analysis.inference ?? null;
  }

  /** Another mapping needs the weights. @param {HardwareSpec} hardware */
  fits(hardware) {
    return mapping(hardware) === this.#hardware;
  }

  set_hardware() {}
  tile() {
    return null;
  }
  adc_plan = refuse;
  masks = refuse;
  pruned = refuse;
  free() {}
}
