/** Serves folders to this machine only, as a static host would. */

import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';

const TYPES = {
  '.css': 'text/css',
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.svg': 'image/svg+xml',
  '.wasm': 'application/wasm',
};
const PAGE = '<!doctype html><title>bench</title><link rel="icon" href="data:,">';

/** Bytes that are sent at once over a slow line. */
const CHUNK = 8192;

/**
 * A line of so many bytes a second, shared by all that send over it.
 * @param {number} bytesPerSecond
 */
function slowLine(bytesPerSecond) {
  let free = 0;
  return async (/** @type {number} */ bytes) => {
    const start = Math.max(free, performance.now());
    free = start + (1000 * bytes) / bytesPerSecond;
    await sleep(free - performance.now());
  };
}

/**
 * Serves an empty page at `/` and each folder below its prefix.
 * @param {Record<string, string>} folders by prefix, such as `/pkg/`
 * @param {{ bytesPerSecond?: number, latencyMs?: number }} [line] a slow one; files are then compressed, as hosts do
 * @returns {Promise<import('node:http').Server>}
 */
export function serve(folders, { bytesPerSecond, latencyMs = 0 } = {}) {
  const send = bytesPerSecond ? slowLine(bytesPerSecond) : null;
  /** @type {Map<string, Buffer>} */
  const compressed = new Map();
  const server = createServer(async (request, response) => {
    const path = normalize(decodeURIComponent(new URL(request.url ?? '/', 'http://localhost').pathname));
    if (path === '/') {
      response.writeHead(200, { 'content-type': 'text/html' }).end(PAGE);
      return;
    }
    const prefix = Object.keys(folders).find((start) => path.startsWith(start));
    const file = prefix && join(folders[prefix], path.slice(prefix.length));
    const bytes = file && (await readFile(file).catch(() => null));
    if (send) await sleep(latencyMs);
    if (!bytes) {
      response.writeHead(404).end();
      return;
    }
    const headers = { 'content-type': TYPES[extname(file)] ?? 'application/octet-stream' };
    if (!send) {
      response.writeHead(200, headers).end(bytes);
      return;
    }
    const body = compressed.get(file) ?? gzipSync(bytes, { level: 9 });
    compressed.set(file, body);
    response.writeHead(200, { ...headers, 'content-encoding': 'gzip' });
    for (let at = 0; at < body.length && !response.destroyed; at += CHUNK) {
      const chunk = body.subarray(at, at + CHUNK);
      await send(chunk.length);
      response.write(chunk);
    }
    response.end();
  });
  return new Promise((resolve, reject) => {
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => resolve(server));
  });
}
