/** A checkpoint, or a run's report, that was dropped on the page and is shown in place of the run. */

import { DEFAULT_CHOICE } from '../state/pruning.js';
import { asFailure } from './failure.js';
import { read } from './files.js';
import { ShownReport } from './shown-report.js';

/** @typedef {import('../types/types').Checkpoint} Checkpoint */
/** @typedef {import('../types/types').Crossdub} Crossdub */
/** @typedef {import('../types/types').HardwareSpec} HardwareSpec */

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

/** What a dropped file is called, what it holds, and the hardware it is mapped to. */
export class Dropped {
  /**
   * @param {string} name @param {File | null} file none of a report
   * @param {Checkpoint | ShownReport} checkpoint @param {HardwareSpec} hardware
   * @param {{ linear: boolean, both: boolean }} layers `linear`: its 2-D layers are taken as well; `both`: it has convolutions beside them
   */
  constructor(name, file, checkpoint, hardware, { linear, both }) {
    this.name = name;
    this.file = file;
    this.checkpoint = checkpoint;
    this.hardware = hardware;
    this.linear = linear;
    this.both = both;
  }

  /** @param {string} name @param {import('../types/types').Report} report @param {HardwareSpec} hardware */
  static ofReport(name, report, hardware) {
    return new Dropped(name, null, new ShownReport(report, hardware), hardware, {
      linear: false,
      both: false,
    });
  }

  /** Why nothing can be computed with its network. */
  get whyNoNetwork() {
    if (this.checkpoint instanceof ShownReport) return 'a report holds no weights: go back to the run first';
    return 'a checkpoint does not say what its network computes: `crossdub simulate` can be told; here go back to the run first';
  }

  /**
   * A report's own, or a checkpoint's analysis laid over the waiting run's.
   * @param {import('../types/types').PruneChoice} choice @param {import('../types/types').Report | null} run
   */
  report(choice, run) {
    const { checkpoint, name, hardware } = this;
    if (checkpoint instanceof ShownReport) return checkpoint.report;
    return { ...run, checkpoint: name, hardware, analysis: checkpoint.view(choice).analysis };
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
   * @param {Crossdub} module @param {File} file @param {boolean} linear @param {HardwareSpec} hardware
   */
  static async read(module, file, linear, hardware) {
    const { name, bytes } = await read(file);
    const { parsed, linear: taken } = parse(module, name, bytes, linear);
    try {
      parsed.set_hardware(hardware);
      parsed.view(DEFAULT_CHOICE);
      return new Dropped(name, file, parsed, hardware, { linear: taken, both: parsed.has_both() });
    } catch (thrown) {
      parsed.free();
      throw thrown;
    }
  }
}
