import { readFileSync } from 'node:fs';

import { beforeEach, expect, test, vi } from 'vitest';

/** The parts of a browser that the tasks use. */
class Input extends EventTarget {
  name = '';
  value = '';
}
const page = new EventTarget();
vi.stubGlobal('document', page);
vi.stubGlobal('HTMLInputElement', Input);

const { chapters } = await import('../../web/tour/chapters.js');

/** @type {import("vitest").Mock<() => void>} */
let done;
beforeEach(() => {
  done = vi.fn();
});

/** An event that comes from an input. @param {string} type @param {string} name @param {string} [value] */
function from(type, name, value = '') {
  const event = new Event(type);
  Object.defineProperty(event, 'target', { value: Object.assign(new Input(), { name, value }) });
  return event;
}

test('every chapter points at a part of the page, in two paragraphs', () => {
  const html = readFileSync('index.html', 'utf8');
  for (const { target, text, task } of chapters()) {
    const name = target.split(/[.#]/).at(-1) ?? '';
    expect(html).toMatch(new RegExp(`(id|class)="[^"]*\\b${name}\\b`));
    expect(text).toHaveLength(2);
    expect(task).toMatch(/\.$/);
  }
});

test('a task is done by its event, and then no longer watched', () => {
  const stop = chapters()[2]?.watch(done);
  page.dispatchEvent(new Event('crossdub:progress'));
  expect(done).toHaveBeenCalledTimes(1);
  stop?.();
  page.dispatchEvent(new Event('crossdub:progress'));
  expect(done).toHaveBeenCalledTimes(1);
});

test('only coloring by ADC bits completes the task', () => {
  /** @type {((event: Event) => void)[]} */
  const listeners = [];
  const spy = vi.spyOn(page, 'addEventListener').mockImplementation((_, listener) => {
    listeners.push(/** @type {(event: Event) => void} */ (listener));
  });
  chapters()[1]?.watch(done);
  spy.mockRestore();
  for (const event of [
    from('change', 'map-mode', 'density'),
    from('change', 'rule', 'bits'),
    new Event('change'),
  ]) {
    listeners[0]?.(event);
  }
  expect(done).not.toHaveBeenCalled();
  listeners[0]?.(from('change', 'map-mode', 'bits'));
  expect(done).toHaveBeenCalledTimes(1);
});
