import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';

import { readReport } from '../../web/worker/report-file.js';

const text = readFileSync(new URL('../../web/runs/recorded/builtin-quick.json', import.meta.url), 'utf8');

/** @param {(report: any) => void} change */
const read = (change) => {
  const report = JSON.parse(text);
  change(report);
  return readReport(new File([JSON.stringify(report)], 'report.json'));
};

describe('a report', () => {
  test('is read as it was written', async () => {
    expect(await read(() => undefined)).toEqual(JSON.parse(text));
  });

  test.for(
    /** @type {[string, (report: any) => void][]} */ ([
      ['training.history', (report) => (report.training.history[0].regularizer = 1.7e308)],
      ['training.history', (report) => (report.training.history[0].loss = null)],
      ['maps', (report) => (report.maps[0].bits_lossless[0] = 2.5)],
      ['maps', (report) => (report.maps[0].level[0] = 1e9)],
      ['maps', (report) => (report.maps[0].bits_lossless_sliced = ['many'])],
      ['analysis', (report) => (report.analysis.energy = { paper: null, lossless: null })],
      ['analysis', (report) => delete report.analysis.layers],
      ['analysis', (report) => (report.analysis.histogram = 'none')],
      ['stages', (report) => (report.stages[0].energy.paper = null)],
    ]),
  )('that could not be drawn is refused by its field: %s', async ([field, change]) => {
    await expect(read(change)).rejects.toMatchObject({
      message: expect.stringContaining(`field ${field} is`),
    });
  });
});
