/** What every source of weights answers: it left the file, or why not, as the end of a line for people. */
export type SourceResult = { ok: true } | { ok: false; reason: string }

/** A source that was tried in vain. */
export type Tried = { source: string; reason: string }
