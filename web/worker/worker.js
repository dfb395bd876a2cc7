/** The module worker: the only place that loads and calls the wasm modules. */

import { expose } from 'comlink';

import { Lab } from './lab.js';

expose(new Lab());
