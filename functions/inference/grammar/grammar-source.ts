/** What the engine needs to hold an answer to. */
import type { StringLimits } from './string-limits.ts'

export type GrammarSource = {
  /** EBNF, beginning at `root`. */
  text: string
  limits: StringLimits
  /** Absent: the answer is the grammar's text and nothing else. */
  tag?: {
    /** What stands before each JSON text that `limits` are for. */
    begin: string
    end: string
    /** Whether the answer is free text in which only what begins so, up to `end`, is bound; how often it may be. Null: all is bound by `text`. */
    free: 'once' | 'often' | null
  }
}
