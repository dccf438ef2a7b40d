/** What a plan says, as lines for a terminal. */

export type PlannedChange = {
  path: string
  change: 'added' | 'removed' | 'changed'
  before?: unknown
  after?: unknown
}

const COLOURS = { added: '\u001b[32m', removed: '\u001b[31m', changed: '\u001b[33m' } as const
const PLAIN = '\u001b[0m'

/** A line a change: `+` for what is new, `-` for what goes, `~` for what is another. */
export function diffText(changes: readonly PlannedChange[], options: { colour: boolean }): string {
  return changes
    .map((change) => {
      const line = lineOf(change)
      return options.colour ? `${COLOURS[change.change]}${line}${PLAIN}` : line
    })
    .join('\n')
}

function lineOf({ path, change, before, after }: PlannedChange): string {
  switch (change) {
    case 'added':
      return `+ ${diffPrintable(path)}${shown(after)}`
    case 'removed':
      return `- ${diffPrintable(path)}${shown(before)}`
    case 'changed':
      return before === undefined && after === undefined
        ? `~ ${diffPrintable(path)}`
        : `~ ${diffPrintable(path)}: ${JSON.stringify(before)} -> ${JSON.stringify(after)}`
  }
}

/** A large value is not kept with its version: then there is none to show. */
function shown(value: unknown): string {
  return value === undefined ? '' : `: ${JSON.stringify(value)}`
}

/** A name that would move the terminal's cursor is shown as JSON has it. */
export function diffPrintable(path: string): string {
  return JSON.stringify(path).slice(1, -1)
}
