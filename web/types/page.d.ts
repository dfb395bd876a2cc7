/** What the modules of `ui/` are given. */

import type { Api } from '../api/api.js';
import type { Client } from '../api/client.js';
import type { Store } from '../state/store.js';
import type { Renderer } from '../ui/renderer.js';

export interface Page {
  /** `window.crossdub`. */
  api: Api;
  /** What the page does beyond `window.crossdub`. */
  client: Client;
  store: Store;
  renderer: Renderer;
}
