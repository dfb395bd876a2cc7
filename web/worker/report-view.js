/** A run's report that is displayed instead of the run: maps and numbers, but no weights. */

import { describeFile } from './opened-file.js';
import { PER_TILE } from './report-file.js';

/** @typedef {import('../types/messages').Viewable} Viewable */
/** @typedef {import('../types/types').HardwareConfig} HardwareConfig */
/** @typedef {import('../types/types').Report} Report */

/** Hardware fields that can change without the weights: a report has the bits and energies for all their values. */
const FREE_FIELDS = ['adc', 'resolution', 'per'];

/** The fields that a report depends on, to compare. @param {HardwareConfig} hardware */
function mappingOf(hardware) {
  const fields = Object.entries(hardware).filter(([name]) => !FREE_FIELDS.includes(name));
  return JSON.stringify(fields.sort());
}

/** @implements {Viewable} */
export class ReportView {
  weights = null;
  noNetworkReason = 'a report holds no weights: go back to the run first';
  #report;
  #mapping;

  /**
   * @param {string} name
   * @param {Report} report
   * @param {HardwareConfig} hardware the current one, which stands for the report's while it is displayed
   */
  constructor(name, report, hardware) {
    this.#report = report;
    this.#mapping = mappingOf(hardware);
    this.hardware = hardware;
    const { stages = [] } = report;
    this.file = describeFile({
      kind: 'report',
      name,
      linear: false,
      linearIsOptional: false,
      account: null,
      stages,
    });
  }

  /** Whether a report has maps, not curves only. @param {Report} report */
  static canShow({ maps }) {
    return Array.isArray(maps) && maps.length > 0 && maps.every((map) => PER_TILE.every((key) => key in map));
  }

  /** @returns {import('../types/types').View} */
  view() {
    const { analysis, maps = [] } = this.#report;
    const { weights, zeros, histogram, energy } = analysis;
    return { analysis, maps, preview: { weights, zeros, histogram, energy } };
  }

  inference() {
    return this.#report.analysis.inference ?? null;
  }

  report() {
    return this.#report;
  }

  /** @param {HardwareConfig} hardware */
  supports(hardware) {
    return mappingOf(hardware) === this.#mapping;
  }

  /** @param {HardwareConfig} hardware */
  setHardware(hardware) {
    this.hardware = hardware;
  }

  close() {}
}
