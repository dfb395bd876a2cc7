/** A checkpoint, or a run's report, that was dropped on the page and is shown in place of the run. */

import { asFailure } from './failure.js';
import { read } from './files.js';
import { ShownReport } from './shown-report.js';

/** @typedef {import('../types').Checkpoint} Checkpoint */
/** @typedef {import('../types').Crossdub} Crossdub */
/** @typedef {import('../types').HardwareSpec} HardwareSpec */

/** How Rust says that there is nothing but 2-D layers, if any. */
const NO_CONVOLUTION = /no 4-D tensor/;

/**
 * @param {Crossdub} module @param {string} name @param {Uint8Array} bytes @param {boolean} linear
 * @returns {{ parsed: Checkpoint, linear: boolean }}
 */
function parse(module, name, bytes, linear) {
  try {
    return { parsed: module.Checkpoint.parse(name, bytes, linear), linear };
  } catch (thrown) {
    // A transformer has no convolutions: its 2-D layers are then what was meant.
    if (linear || !NO_CONVOLUTION.test(asFailure(thrown).message)) throw thrown;
    return { parsed: module.Checkpoint.parse(name, bytes, true), linear: true };
  }
}

export class Dropped {
  /** @param {File | null} file @param {Checkpoint | ShownReport} checkpoint @param {boolean} linear @param {HardwareSpec} hardware */
  constructor(file, checkpoint, linear, hardware) {
    this.file = file;
    this.hardware = hardware;
    this.checkpoint = checkpoint;
    /** Whether its 2-D layers are taken as well. */
    this.linear = linear;
  }

  /** @param {import('../types').Report} report @param {HardwareSpec} hardware */
  static ofReport(report, hardware) {
    return new Dropped(null, new ShownReport(report, hardware), false, hardware);
  }

  /** Whether it can be shown on this hardware. @param {HardwareSpec} hardware */
  fits(hardware) {
    return !(this.checkpoint instanceof ShownReport) || this.checkpoint.fits(hardware);
  }

  /** @param {HardwareSpec} hardware */
  setHardware(hardware) {
    this.checkpoint.set_hardware(hardware);
    this.hardware = hardware;
  }

  /**
   * Reads a file; thrown when it can't be drawn on this hardware.
   * @param {Crossdub} module @param {File} file @param {boolean} linear
   * @param {HardwareSpec} hardware @param {import('../types').PruneChoice} choice
   */
  static async read(module, file, linear, hardware, choice) {
    const { name, bytes } = await read(file);
    const { parsed, linear: taken } = parse(module, name, bytes, linear);
    try {
      parsed.set_hardware(hardware);
      parsed.view(choice);
    } catch (thrown) {
      parsed.free();
      throw thrown;
    }
    return new Dropped(file, parsed, taken, hardware);
  }
}
