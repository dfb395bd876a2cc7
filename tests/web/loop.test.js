import { expect, test } from 'vitest';

import { Loop } from '../../web/worker/loop.js';

/** @param {Partial<import('../../web/worker/loop.js').Tasks>} tasks */
const loopOf = (tasks) =>
  new Loop({
    step: () => Promise.reject(new Error('it diverged')),
    show: async () => undefined,
    evaluate: async () => undefined,
    save: async () => undefined,
    report: async () => undefined,
    recover: async () => false,
    recoverOrThrow: (thrown) => Promise.reject(thrown),
    onRunning: () => undefined,
    ...tasks,
  });

test('a single step that fails rejects, unless training goes on elsewhere', async () => {
  await expect(loopOf({}).once()).rejects.toThrow('it diverged');
  await expect(loopOf({ recoverOrThrow: async () => undefined }).once()).resolves.toBeUndefined();
});
