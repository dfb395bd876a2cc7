/** The runs that come with the page: reports of `crossdub run`, each loaded after the page itself. */

/** @typedef {import('../types/types').Report & { name: string }} NamedReport */

const files = import.meta.glob('./recorded/*.json', { import: 'default' });

/** Those that can be loaded. @returns {Promise<import('../types/messages').KeptRun[]>} */
export async function recorded() {
  const runs = Object.entries(files).map(async ([path, load]) => {
    const report = /** @type {NamedReport} */ (await load());
    return { id: `recorded ${path}`, name: `recorded: ${report.name}`, when: 0, report };
  });
  const results = await Promise.allSettled(runs);
  return results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
}
