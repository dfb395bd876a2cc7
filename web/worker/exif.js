/** Pictures as they are stored, whatever way up their Exif says. */

const LARGEST_HEADER = 256 * 1024;

/**
 * A JPEG without its Exif, by which browsers turn pictures even if they are asked not to; `crossdub predict` and most
 * training pipelines take the pixels as they are stored.
 * @param {Blob} blob
 * @returns {Promise<Blob>}
 */
export async function withoutExif(blob) {
  const head = new Uint8Array(await blob.slice(0, LARGEST_HEADER).arrayBuffer());
  const byte = (/** @type {number} */ at) => head[at] ?? 0;
  if (byte(0) !== 0xff || byte(1) !== 0xd8) return blob;
  // Segments of applications stand first; each begins with its length.
  for (let at = 2; byte(at) === 0xff && byte(at + 1) >= 0xe0 && byte(at + 1) <= 0xef;) {
    const next = at + 2 + 256 * byte(at + 2) + byte(at + 3);
    const isExif =
      byte(at + 1) === 0xe1 && [...'Exif'].every((letter, i) => byte(at + 4 + i) === letter.charCodeAt(0));
    if (isExif) return new Blob([blob.slice(0, at), blob.slice(next)]);
    at = next;
  }
  return blob;
}
