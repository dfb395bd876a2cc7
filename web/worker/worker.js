/** The module worker: only it loads and calls the wasm modules. */

import { expose } from 'comlink';

import { Service } from './service.js';

expose(new Service());
