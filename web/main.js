/** Wiring: the session, the public interface made of it, and everything that shows or turns something. */

import { forwardEvents, makeApi } from './api/api.js';
import { isPreviewed } from './state/known.js';
import { recorded } from './runs/recorded.js';
import { Session } from './state/session.js';
import { embedding } from './state/state.js';
import { onThemeChange } from './ui/theme.js';
import { Controls, transport } from './ui/controls.js';
import { takeFiles } from './ui/drop.js';
import { compare } from './ui/compare.js';
import { byId } from './ui/element.js';
import { energies, fillModels } from './ui/energy.js';
import { announceRun } from './ui/live.js';
import { Maps } from './ui/maps.js';
import { notices, offerLastRun } from './ui/notices.js';
import { preview } from './ui/preview.js';
import { Proof } from './ui/prove.js';
import { PrunePanel } from './ui/prune.js';
import { RunList } from './ui/runs.js';
import { saveMenu } from './ui/save-menu.js';
import { saves } from './ui/saves.js';
import { drawStatus } from './ui/status.js';
import { Tile } from './ui/tile.js';
import { trends } from './ui/trends.js';
import { explainInsecureContext } from './start/insecure-context.js';
import { Tour } from './tour/tour.js';

/** Curves are redrawn at most this often; steps may come much faster. */
const CURVES_MS = 300;

document.documentElement.dataset.embed = embedding();
if (!embedding()) delete document.documentElement.dataset.embed;

const session = new Session();
forwardEvents(session);
notices(session);
announceRun(session);

const ready = session.open(location.hash);
ready.catch(() => undefined);
const crossdub = makeApi(session, ready);
Object.defineProperty(window, 'crossdub', { value: crossdub, enumerable: true });

const controls = new Controls(crossdub);
transport(crossdub, session);
takeFiles(crossdub);
const drawTrends = trends(session);
const drawPreview = preview(session);
new PrunePanel(crossdub, session);
const tile = new Tile(
  (layer, index) => session.lab.tile(layer, index),
  () => isPreviewed(session.state),
  () => session.state.shown !== null,
);
const maps = new Maps(session, (place) => void tile.show(place));
new Proof(crossdub, session, () => maps.pinned);
const drawPareto = compare(session);
/** @type {() => void} */
let drawEnergies = () => undefined;
const runList = new RunList(crossdub, session);
new Tour();

/** What is to be drawn at the next frame; a hidden tab draws nothing and trains on. */
const stale = { curves: false, view: false, tile: false, runs: false, energies: false };
let curvesDrawn = -Infinity;
let waiting = false;

/** @param {Partial<typeof stale>} what */
function redraw(what) {
  Object.assign(stale, what);
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(draw);
}

/** One picture a frame, so that no frame is long. */
function draw() {
  waiting = false;
  drawStatus(session);
  const now = performance.now();
  if (stale.view) {
    stale.view = false;
    maps.draw();
  } else if (stale.tile) {
    stale.tile = false;
    drawPreview();
    tile.draw();
  } else if (stale.energies) {
    stale.energies = false;
    drawEnergies();
  } else if (stale.runs) {
    stale.runs = false;
    runList.draw();
    drawPareto();
  } else if (stale.curves && now - curvesDrawn >= CURVES_MS) {
    stale.curves = false;
    curvesDrawn = now;
    drawTrends();
  }
  if (stale.view || stale.tile || stale.curves || stale.runs || stale.energies) redraw({});
}

session.addEventListener('progress', () => {
  // The live run takes over from the recorded ones.
  if (session.state.history.length === 1) session.runs.showRecorded(false);
  redraw({ curves: true });
});
session.addEventListener('evaluation', () => redraw({ curves: true }));
session.addEventListener('report', () => redraw({ runs: true, tile: true }));
for (const type of ['inference', 'change', 'view'])
  session.addEventListener(type, () => redraw({ energies: true }));
session.addEventListener('proof', () => redraw({ view: true }));
session.addEventListener('trial', () => redraw({ tile: true }));
session.addEventListener('turn', () => {
  curvesDrawn = -Infinity;
  redraw({ curves: true, runs: true, tile: true });
});
session.runs.addEventListener('change', () => {
  // What was chosen is drawn at once.
  curvesDrawn = -Infinity;
  redraw({ curves: true, runs: true });
});
session.addEventListener('view', () => {
  redraw({ view: true, tile: true });
  void tile.show(maps.pinned);
});
session.addEventListener('opened', () => {
  maps.reset();
  const { spec, hardware } = session.state;
  if (spec && hardware) controls.follow(session.spec());
  redraw({ curves: true, runs: true });
});
session.addEventListener('change', () => {
  if (session.state.spec) controls.follow(session.spec());
  redraw({ view: true, tile: true, curves: true });
});
for (const type of ['running', 'busy', 'webgpu']) session.addEventListener(type, () => redraw({}));

const redrawAll = () => redraw({ view: true, tile: true, curves: true, runs: true, energies: true });
onThemeChange(redrawAll);
addEventListener('resize', redrawAll);
addEventListener('hashchange', () => void session.follow(location.hash).catch(() => undefined));

saveMenu(crossdub, session);

redraw({ curves: true, runs: true });
void session.runs.open(recorded()).then(() => session.runs.showRecorded(session.state.history.length === 0));
ready.then(
  () => {
    fillModels(session);
    const [draw, drawSaves] = [energies(session), saves(session)];
    drawEnergies = () => {
      draw();
      drawSaves();
    };
    controls.follow(session.spec());
    redraw({ energies: true });
    byId('version').textContent = `Crossdub ${session.state.version}`;
    explainInsecureContext(session.spec().device);
    if (!embedding()) void offerLastRun(session);
  },
  () => undefined,
);
