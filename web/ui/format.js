/** Numbers, times and names as the page writes them. */

/** @param {number} value */
export function percent(value) {
  return `${value.toFixed(1)} %`;
}

/** A part in percent. @param {number} part @param {number} whole */
export function share(part, whole) {
  return percent(whole === 0 ? 0 : (100 * part) / whole);
}

/** An improvement; null if no conversion is left. @param {number | null} improvement */
export function times(improvement) {
  if (improvement === null) return 'none left';
  return `${improvement.toFixed(improvement < 10 ? 2 : 1)}×`;
}

/** @param {number} value */
export function count(value) {
  return value.toLocaleString('en');
}

/** @param {number} seconds */
export function duration(seconds) {
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

/** @param {number} milliseconds */
export function ago(milliseconds) {
  const minutes = Math.round(milliseconds / 60_000);
  if (minutes < 2) return 'just now';
  if (minutes < 120) return `${minutes} minutes ago`;
  const hours = Math.round(minutes / 60);
  return hours < 48 ? `${hours} hours ago` : `${Math.round(hours / 24)} days ago`;
}

/** Longest name that is written in full: names come from anyone's files. */
const MAX_NAME = 72;

/** A name in one line; characters that would turn or hide text are written as their codes. @param {string} name */
export function plain(name) {
  const visible = name.replace(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu,
    (hidden) => `\\u{${(hidden.codePointAt(0) ?? 0).toString(16)}}`,
  );
  const characters = [...visible];
  if (characters.length <= MAX_NAME) return visible;
  const half = Math.floor(MAX_NAME / 2);
  return `${characters.slice(0, half).join('')}…${characters.slice(-half + 1).join('')}`;
}

/** A layer's name without the suffix that all layers share. @param {string} name */
export function layerName(name) {
  return plain(name.replace(/\.weight$/, ''));
}
