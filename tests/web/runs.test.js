import { beforeEach, describe, expect, test, vi } from 'vitest';

/** Replaces IndexedDB, which Node doesn't have. */
const stored = new Map();
let writable = true;
vi.mock('../../web/runs/kept-runs.js', () => ({
  loadRuns: async () => [...stored.values()],
  saveRun: async (/** @type {any} */ run) => writable && Boolean(stored.set(run.id, run)),
  deleteRun: async (/** @type {string} */ id) => stored.delete(id),
  deleteAllRuns: async () => stored.clear(),
}));

const { MAX_SHOWN, Runs, nameOf } = await import('../../web/runs/runs.js');

/** @param {object} [spec] */
const report = (spec = {}) =>
  /** @type {import('../../web/types/types').Report} */ (
    /** @type {unknown} */ ({
      spec: { data: 'builtin', model: 'custom', plan: '8 M', regularizer: 'gated', lambda: 0.02, ...spec },
      training: { step: 40 },
    })
  );
const recorded = { id: 'r', name: 'recorded: x', when: 0, report: report() };

beforeEach(() => {
  stored.clear();
  writable = true;
});

test('a run is named after its network, regularizer and steps', () => {
  expect(nameOf(report())).toBe('8 M, gated λ 0.02, 40 steps');
  expect(nameOf(report({ model: 'resnet18', regularizer: 'none' }))).toBe(
    'resnet18, not regularized, 40 steps',
  );
});

describe('kept runs', () => {
  test('are there again in the next visit, after the recorded ones', async () => {
    const first = new Runs();
    await first.open([recorded]);
    const id = await first.keep(report(), 'mine');
    const next = new Runs();
    await next.open([recorded]);
    expect(next.list.map((run) => [run.id, run.source])).toEqual([
      ['r', 'recorded'],
      [id, 'kept'],
    ]);
  });

  test('fail with a reason if nothing can be stored, and change nothing', async () => {
    writable = false;
    const runs = new Runs();
    await expect(runs.keep(report())).rejects.toMatchObject({ message: /cannot keep the run/ });
    expect(runs.list).toEqual([]);
  });

  test('take a new name of 1 to 120 characters', async () => {
    const runs = new Runs();
    const id = await runs.keep(report(), 'old');
    await runs.rename(id, '  new ');
    expect(stored.get(id).name).toBe('new');
    for (const name of ['', '  ', 'x'.repeat(121)]) {
      await expect(runs.rename(id, name)).rejects.toMatchObject({ message: /1 to 120/ });
    }
    expect(runs.list[0]?.name).toBe('new');
  });

  test('are deleted by remove and clear, which leave recorded runs', async () => {
    const runs = new Runs();
    await runs.open([recorded]);
    const id = await runs.keep(report());
    runs.add(report(), 'report.json');
    await runs.remove(id);
    expect(stored.size).toBe(0);
    await runs.clear();
    expect(runs.list.map((run) => run.source)).toEqual(['recorded']);
    await expect(runs.remove(id)).rejects.toMatchObject({ message: `no run has the id ${id}` });
  });
});

describe('shown runs', () => {
  test('each get the first free slot, up to a maximum', () => {
    const runs = new Runs();
    const ids = Array.from({ length: MAX_SHOWN }, (_, i) => runs.add(report(), String(i)));
    expect(runs.shown.map((run) => run.slot)).toEqual([0, 1, 2, 3, 4]);
    runs.show(ids[1] ?? '', false);
    const extra = runs.add(report(), 'extra');
    expect(runs.list.find((run) => run.id === extra)?.slot).toBe(1);
    let thrown;
    try {
      runs.show(ids[1] ?? '', true);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toMatchObject({
      message: `at most ${MAX_SHOWN} runs can be drawn together: hide one first`,
    });
  });

  test('recorded runs show until training starts, unless the user chose', async () => {
    const runs = new Runs();
    const other = { ...recorded, id: 'other', report: report({ data: 'cifar10' }) };
    await runs.open([other, recorded]);
    runs.showRecorded(true);
    expect(runs.shown.map((run) => run.id)).toEqual(['r']);
    runs.showRecorded(false);
    expect(runs.shown).toHaveLength(0);
    runs.show('r', true);
    runs.showRecorded(false);
    expect(runs.shown).toHaveLength(1);
  });

  test('every change is announced', () => {
    const runs = new Runs();
    const changed = vi.fn();
    runs.addEventListener('change', changed);
    runs.show(runs.add(report(), 'a'), false);
    expect(changed).toHaveBeenCalledTimes(2);
  });
});
