/** Numbers as the page writes them. */

/** @param {number} value */
export function percent(value) {
  return `${value.toFixed(1)} %`;
}

/** An improvement; null when nothing is left to convert. @param {number | null} improvement */
export function times(improvement) {
  if (improvement === null) return 'none left';
  return `${improvement.toFixed(improvement < 10 ? 2 : 1)}×`;
}

/** Names come from anyone's files: at most so many characters of one are written out. */
const LONGEST_NAME = 72;

/**
 * Someone's name for something, in one line that reads as it is written: what would turn or hide text is shown as its code.
 * @param {string} name
 */
export function plain(name) {
  const seen = name.replace(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu,
    (hidden) => `\\u{${(hidden.codePointAt(0) ?? 0).toString(16)}}`,
  );
  const characters = [...seen];
  if (characters.length <= LONGEST_NAME) return seen;
  const half = Math.floor(LONGEST_NAME / 2);
  return `${characters.slice(0, half).join('')}…${characters.slice(-half + 1).join('')}`;
}

/** What a layer is called, without what all layers' names end in. @param {string} name */
export function layerName(name) {
  return plain(name.replace(/\.weight$/, ''));
}
