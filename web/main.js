/** Wiring: the client, `window.crossdub`, and everything that displays or changes something. */

import { createApi, forwardEvents } from './api/api.js';
import { Client } from './api/client.js';
import { recorded } from './runs/recorded.js';
import { explainInsecureContext } from './start/insecure-context.js';
import { embedMode } from './state/url.js';
import { Tour } from './tour/tour.js';
import { announceRun } from './ui/announcer.js';
import { banners, offerSavedRun } from './ui/banners.js';
import { comparison } from './ui/compare.js';
import { Controls, transport } from './ui/controls.js';
import { acceptFiles } from './ui/drop.js';
import { byId } from './ui/element.js';
import { energies } from './ui/energy.js';
import { slices } from './ui/slices.js';
import { Maps } from './ui/maps.js';
import { pictures } from './ui/pictures.js';
import { preview } from './ui/preview.js';
import { PrunePanel } from './ui/prune.js';
import { publishedRuns } from './ui/published.js';
import { Renderer } from './ui/renderer.js';
import { RunList } from './ui/runs.js';
import { saveMenu } from './ui/save-menu.js';
import { SimulationPanel } from './ui/simulation.js';
import { status } from './ui/status.js';
import { onThemeChange } from './ui/theme.js';
import { Tile } from './ui/tile.js';
import { trainingCharts } from './ui/training-charts.js';
import { webgpuMoves } from './ui/webgpu.js';

if (embedMode()) document.documentElement.dataset.embed = embedMode();

const client = new Client();
const { store, runs } = client;
forwardEvents(store);

const ready = client.open(location.hash);
ready.catch(() => undefined);
const api = createApi(client, ready);
Object.defineProperty(window, 'crossdub', { value: api, enumerable: true });

const renderer = new Renderer(store);
const page = { api, client, store, renderer };

banners(page);
webgpuMoves(page);
announceRun(page);
transport(page);
acceptFiles(page);
pictures(page);
saveMenu(page);
new PrunePanel(page);
new Tour();

// The more urgent drawings first.
status(page);
const maps = new Maps(page, (place) => void tile.show(place));
const tile = new Tile(page);
preview(page);
energies(page);
slices(page);
publishedRuns(page);
new RunList(page);
comparison(page);
trainingCharts(page);
new SimulationPanel(page, () => maps.pinned);
// After the panels that fill its lists.
new Controls(page);

store.subscribe(
  ({ view }) => view,
  () => void tile.show(maps.pinned),
);
store.subscribe(
  ({ version }) => version,
  (version) => (byId('version').textContent = `Crossdub ${version}`),
);
store.subscribe(
  ({ history }) => history.length === 1,
  // The current run replaces the recorded ones.
  (isFirstStep) => isFirstStep && runs.showRecorded(false),
);

const drawAll = () => renderer.drawAll();
onThemeChange(drawAll);
addEventListener('resize', drawAll);
addEventListener('hashchange', () => void client.followUrl(location.hash).catch(() => undefined));

void recorded()
  .then((list) => runs.open(list))
  .then(() => runs.showRecorded(store.getState().history.length === 0));
ready.then(
  () => {
    explainInsecureContext(client.spec().device);
    if (!embedMode()) void offerSavedRun(client);
  },
  () => undefined,
);
