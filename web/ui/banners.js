/** The page's messages: errors, a saved run to resume, an opened file. */

import { byId, ignoreReported } from './element.js';
import { ago, plain } from './format.js';
import { dismiss, show } from './messages.js';

/** What data is called. @type {Record<string, string>} */
const DATA = {
  builtin: 'built-in data',
  cifar10: 'CIFAR-10',
  cifar100: 'CIFAR-100',
  folder: 'your own pictures',
};

/** @typedef {import('../types/page').Page} Page */
/** @typedef {import('../types/messages').State} State */

/** @param {Page} page */
export function banners({ store, client }) {
  store.subscribe(({ error }) => error, showError);
  store.subscribe(
    ({ running }) => running,
    (running) => running && dismiss('saved-run'),
  );
  store.subscribe(
    ({ run }) => run?.workersReason,
    (reason) => {
      if (reason)
        show('workers', { text: `Training goes on with one worker: the others failed (${reason}).` });
      else dismiss('workers');
    },
  );
  store.subscribe(
    ({ pruningNotice }) => pruningNotice,
    (notice) => (notice ? show('pruning', { text: notice.reason }) : dismiss('pruning')),
  );
  store.subscribe(
    ({ file }) => file,
    () => showFile(store.getState(), client),
  );
}

/** @param {State['error']} error */
function showError(error) {
  if (!error) {
    dismiss('error');
    return;
  }
  const choose = { label: 'Choose files…', onClick: () => byId('open-file').click() };
  show('error', { text: error.message, isError: true, actions: error.field === 'data' ? [choose] : [] });
}

/** @param {State} state @param {Page['client']} client */
function showFile({ file, run }, client) {
  if (!file) {
    dismiss('file');
    return;
  }
  const { name, linear, linearIsOptional, account } = file;
  const layers = {
    label: linear ? 'Convolutions only' : 'Include fully connected layers',
    onClick: () => ignoreReported(client.includeLinear(!linear)),
  };
  const back = { label: 'Back to the run', onClick: () => ignoreReported(client.closeFile()) };
  const included = linear ? ' with its fully connected layers' : '';
  const others = (account?.other_networks ?? []).slice(0, MAX_NETWORKS).map((network) => ({
    label: `Show ${plain(network)}`,
    onClick: () => ignoreReported(client.takeNetwork(network)),
  }));
  show('file', {
    text: `Showing ${plain(name)}${included}.${run ? ' The training run is paused and unchanged.' : ''}`,
    isPermanent: true,
    details: account ? { summary: 'What was read', lines: accountLines(account) } : null,
    actions: [...(linearIsOptional ? [layers] : []), ...others, ...(run ? [back] : [])],
  });
}

/** Networks of a checkpoint that are offered. */
const MAX_NETWORKS = 4;
/** Names that are shown of each reason. */
const MAX_NAMES = 3;

/**
 * What was taken from a checkpoint and what was left out, as the command line prints it.
 * @param {import('../types/types').CheckpointAccount} account
 */
export function accountLines({ format, network, taken, left_out, notes }) {
  const from = network === null ? '' : ` of ${plain(network)}`;
  const lines = [`Taken: ${taken.length} ${taken.length === 1 ? 'layer' : 'layers'}${from} (${format})`];
  /** @type {Map<string, string[]>} */
  const reasons = new Map();
  for (const { name, why } of left_out) reasons.set(why, [...(reasons.get(why) ?? []), name]);
  for (const [why, names] of reasons) {
    const more = names.length > MAX_NAMES ? ', …' : '';
    lines.push(
      `Left out: ${names.length} ${plain(why)} (${names.slice(0, MAX_NAMES).map(plain).join(', ')}${more})`,
    );
  }
  return lines.concat(notes.map((note) => `Note: ${plain(note)}`));
}

/** @param {Page['client']} client */
export async function offerSavedRun(client) {
  const saved = await client.savedRun();
  if (!saved || saved.step === 0) return;
  const data = DATA[saved.data] ?? saved.data;
  show('saved-run', {
    text: `Your last run (${saved.plan}, ${data}) stopped at step ${saved.step}, ${ago(Date.now() - saved.when)}.`,
    actions: [
      // It may fail, for example for want of its data, and can be tried again.
      { label: 'Resume it', onClick: () => void client.resume().catch(() => offerSavedRun(client)) },
      { label: 'Forget it', onClick: () => void client.forgetSavedRun() },
    ],
  });
}
