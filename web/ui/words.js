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
