/** Values derived from the page's state. */

/** @typedef {import('../types/messages').State} State */
/** @typedef {import('../types/types').Stage} Stage */

/** The stage of the run. @param {State} state @returns {Stage['kind']} */
export function currentStage({ stages }) {
  return stages.at(-1)?.kind ?? 'train';
}

/** Whether levels and energies are those of a preview: before pruning, and of a checkpoint. @param {State} state */
export function isPreview(state) {
  return state.file ? state.file.kind === 'checkpoint' : currentStage(state) === 'train';
}

/** Whether a report is displayed, which has no weights. @param {State} state */
export function isReportOpen({ file }) {
  return file?.kind === 'report';
}

/** Steps of all stages. @param {State} state */
export function totalSteps({ progress }) {
  return progress === null ? 0 : progress.before + progress.step;
}

/** The step after which the run was pruned. @param {State} state */
export function prunedAt({ stages }) {
  return stages.length > 1 ? (stages[0]?.steps ?? null) : null;
}

/** The runs that are drawn over the current one. @param {State} state */
export function drawnRuns({ runs }) {
  return runs.filter((run) => run.slot !== null);
}
