/** Serves folders to this machine only, as a static host would. */

import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';

const TYPES = { '.js': 'text/javascript', '.wasm': 'application/wasm' };
const PAGE = '<!doctype html><title>bench</title><link rel="icon" href="data:,">';

/**
 * Serves an empty page at `/` and each folder below its prefix.
 * @param {Record<string, string>} folders by prefix, such as `/pkg/`
 * @returns {Promise<import('node:http').Server>}
 */
export function serve(folders) {
  const server = createServer(async (request, response) => {
    const path = normalize(decodeURIComponent(new URL(request.url ?? '/', 'http://localhost').pathname));
    if (path === '/') {
      response.writeHead(200, { 'content-type': 'text/html' }).end(PAGE);
      return;
    }
    const prefix = Object.keys(folders).find((start) => path.startsWith(start));
    const file = prefix && join(folders[prefix], path.slice(prefix.length));
    const found = file && (await stat(file).catch(() => null));
    if (!found?.isFile()) {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, { 'content-type': TYPES[extname(file)] ?? 'application/octet-stream' });
    createReadStream(file).pipe(response);
  });
  return new Promise((resolve, reject) => {
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => resolve(server));
  });
}
