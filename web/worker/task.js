/** Tasks of the worker: it hears no message before the current one ends. */

/** A new task lets waiting messages through. A timer would be slowed down in a hidden tab. */
const { port1, port2 } = new MessageChannel();
/** @type {(() => void)[]} */
const waiting = [];
port1.onmessage = () => waiting.shift()?.();

/** Resolves in another task, after the messages that wait. */
export function nextTask() {
  return new Promise((/** @type {(value: void) => void} */ resolve) => {
    waiting.push(resolve);
    port2.postMessage(null);
  });
}
