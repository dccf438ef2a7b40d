/**
 * Finds stop strings in text that comes in pieces of any size. What may be the beginning of a stop string is held back until it is decided,
 * and nothing from a stop string on is ever given out. The result does not depend on how the text was cut.
 */

export type StopMatcher = {
  /** Text that is safe to send. Once `stopped` is true the answer is over: later pieces give ''. */
  push(piece: string): { text: string; stopped: boolean }
  /** What was held back, when the answer ends for another reason. '' if a stop string was found. */
  end(): string
}

/**
 * The stop string that is complete first ends the text; of several that end at the same place the longest counts.
 * Empty stop strings are ignored. A character costs one step of Knuth, Morris and Pratt's automaton per stop string.
 */
export function createStopMatcher(stops: readonly string[]): StopMatcher {
  const patterns = stops
    .filter((stop) => stop !== '')
    .map((text) => ({ text, fallback: fallbackTable(text), matched: 0 }))
  let held = ''
  let stopped = false
  return {
    push(piece) {
      if (stopped) return { text: '', stopped }
      if (patterns.length === 0) return { text: piece, stopped }
      const text = held + piece
      for (let at = held.length; at < text.length; at++) {
        let complete = 0
        for (const pattern of patterns) {
          pattern.matched = step(pattern.text, pattern.fallback, pattern.matched, text.charCodeAt(at))
          if (pattern.matched === pattern.text.length) complete = Math.max(complete, pattern.matched)
        }
        if (complete > 0) {
          stopped = true
          held = ''
          return { text: text.slice(0, at + 1 - complete), stopped }
        }
      }
      // The longest suffix that is a beginning of some stop string is exactly the longest of the automata's states.
      const safe = text.length - Math.max(...patterns.map((pattern) => pattern.matched))
      held = text.slice(safe)
      return { text: text.slice(0, safe), stopped }
    },
    end() {
      const rest = held
      held = ''
      for (const pattern of patterns) pattern.matched = 0
      return rest
    },
  }
}

/** For each length of a matched beginning, the length of its longest proper beginning that is also its end. */
function fallbackTable(pattern: string): Uint32Array {
  const table = new Uint32Array(pattern.length + 1)
  for (let length = 2; length <= pattern.length; length++) {
    table[length] = step(pattern, table, table[length - 1] ?? 0, pattern.charCodeAt(length - 1))
  }
  return table
}

/** How much of the pattern is matched after one more UTF-16 code unit; `matched` is less than the pattern's length. */
function step(pattern: string, fallback: Uint32Array, matched: number, unit: number): number {
  let length = matched
  while (length > 0 && pattern.charCodeAt(length) !== unit) length = fallback[length] ?? 0
  return pattern.charCodeAt(length) === unit ? length + 1 : 0
}
