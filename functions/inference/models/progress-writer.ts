/** Shows the model store's progress: a bar that is redrawn on a terminal, an occasional line elsewhere (a log, CI). */
import type { ModelProgress, OnProgress } from './model-progress.ts'

export type ProgressOutput = { write(text: string): unknown; isTTY?: boolean; columns?: number }

const REDRAW_EVERY_MS = 100
const LINE_EVERY_MS = 10_000
const BAR_CELLS = 24
const COLUMNS_DEFAULT = 80

const VERBS: Record<ModelProgress['phase'], string> = {
  waiting: 'Waiting:',
  downloading: 'Downloading from',
  unpacking: 'Unpacking from',
  verifying: 'Verifying',
  importing: 'Importing',
  reading: 'Reading',
  exporting: 'Exporting',
  quantising: 'Quantising',
  scoring: 'Scoring text with',
  measuring: 'Measuring',
}

/** The phases that count bytes. */
const IN_BYTES: ReadonlySet<ModelProgress['phase']> = new Set(['downloading', 'unpacking', 'verifying', 'reading'])

/** `end` leaves the cursor on a line of its own. */
export function progressWriter(
  output: ProgressOutput,
  now: () => number = Date.now,
): { show: OnProgress; end: () => void } {
  const terminal = output.isTTY === true
  let stage = ''
  let written = Number.NEGATIVE_INFINITY
  let open = false
  return {
    show(progress) {
      const nextStage = `${progress.phase} ${progress.detail}`
      const isNew = nextStage !== stage
      const isFull = progress.total > 0 && progress.done >= progress.total
      if (!isNew && !(isFull && terminal) && now() - written < (terminal ? REDRAW_EVERY_MS : LINE_EVERY_MS)) return
      stage = nextStage
      written = now()
      if (!terminal) {
        output.write(`${describe(progress)}\n`)
        return
      }
      if (isNew && open) output.write('\n')
      open = true
      const line = `${bar(progress)}${describe(progress)}`.slice(0, (output.columns ?? COLUMNS_DEFAULT) - 1)
      output.write(`\r\u001b[K${line}`)
    },
    end() {
      if (open) output.write('\n')
      open = false
    },
  }
}

function describe({ phase, detail, done, total }: ModelProgress): string {
  const share = total > 0 && done > 0 ? ` ${Math.floor((done / total) * 100)} %` : ''
  const size = IN_BYTES.has(phase) && total > 0 ? ` of ${(total / 1e6).toFixed(0)} MB` : ''
  return `${VERBS[phase]} ${detail}${share}${share && size}`
}

function bar({ done, total }: ModelProgress): string {
  if (total <= 0) return ''
  const full = Math.min(BAR_CELLS, Math.floor((done / total) * BAR_CELLS))
  return `[${'#'.repeat(full)}${'.'.repeat(BAR_CELLS - full)}] `
}

/** Whatever becomes of the task, what is written afterwards begins a line of its own. */
export async function withProgress<T>(output: ProgressOutput, task: (show: OnProgress) => Promise<T>): Promise<T> {
  const progress = progressWriter(output)
  try {
    return await task(progress.show)
  } finally {
    progress.end()
  }
}
