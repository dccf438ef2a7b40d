/**
 * Token ids and log probabilities of one choice, kept until its end: they spell what the filter masks, and those of a text come
 * before, with or after it. So they go out together, and only where nothing was masked.
 */
import { type Fields, isFields } from './filter-delta.ts'

type Choice = { token_ids?: number[]; logprobs?: unknown }

export type WithheldTokens = {
  /** The choice without them; the same object when it has none. */
  take<Kept extends Choice>(choice: Kept): Kept
  /** All of them, for the last event. */
  all(): Choice
  count(): number
}

export function withheldTokens(): WithheldTokens {
  const ids: number[] = []
  let hadIds = false
  let logprobs: Fields | undefined

  return {
    take(choice) {
      if (!choice.token_ids && !choice.logprobs) return choice
      const { token_ids: more, ...rest } = choice
      if (more) {
        hadIds = true
        for (const id of more) ids.push(id)
      }
      if (isFields(rest.logprobs)) logprobs = joined(logprobs ?? {}, rest.logprobs)
      // Sound: only an optional field is gone, and where there were log probabilities they may be null.
      return (rest.logprobs ? { ...rest, logprobs: null } : rest) as typeof choice
    },
    all: () => ({ ...(hadIds ? { token_ids: ids } : {}), ...(logprobs ? { logprobs } : {}) }),
    count: () => ids.length,
  }
}

/** Lists grow, in both kinds of completions. Changes `whole`. */
function joined(whole: Fields, piece: Fields): Fields {
  for (const [field, value] of Object.entries(piece)) {
    const before = whole[field]
    if (Array.isArray(value)) {
      const list: unknown[] = Array.isArray(before) ? before : []
      for (const item of value) list.push(item)
      whole[field] = list
    } else if (value !== null || before === undefined) whole[field] = value
  }
  return whole
}
