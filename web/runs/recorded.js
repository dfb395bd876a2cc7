/** The runs that come with the page: reports of `crossdub run`. */

/** @type {Record<string, import('../types/types').Report & { name: string, description: string }>} */
const files = import.meta.glob('./recorded/*.json', { eager: true, import: 'default' });

/** @returns {import('../types/messages').KeptRun[]} */
export function recorded() {
  return Object.entries(files).map(([path, report]) => ({
    id: `recorded ${path}`,
    name: `recorded: ${report.name}`,
    when: 0,
    report,
  }));
}
