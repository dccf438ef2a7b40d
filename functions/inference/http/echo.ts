/** The prompt as part of the text of a completion (`echo`), token by token where their log-probabilities were asked for. */
import type { TokenLogprobs } from '../engine/token-logprobs.ts'
import type { AnswerPlan } from './answer-plan.ts'
import type { LoggedToken } from './logprobs.ts'
import type { Serving } from './serving.ts'

export type Echoed = { text: string; logged: LoggedToken[] | null }

export type Echo = {
  /** The next tokens of the prompt, of which the engine has told; with the first of all, of which nobody can. */
  read(logprobs: readonly TokenLogprobs[]): Echoed
  /** What has not been given of the prompt. */
  rest(): Echoed
  /** Code points of what has been given. */
  length(): number
}

/** The text is that of the tokens, special ones by name, so that offsets are right whatever the prompt came as. */
export function createEcho({ tokenizer }: Serving, { prompt, logprobs: wanted, echo }: AnswerPlan): Echo {
  const left = echo ? prompt : []
  const detokenizer = tokenizer.stream({ keepSpecialTokens: true })
  let at = 0
  let length = 0

  function take(count: number, logprobs: readonly TokenLogprobs[]): Echoed {
    const given = left.slice(at, at + count)
    let text = ''
    const logged: LoggedToken[] = []
    for (const [index, id] of given.entries()) {
      logged.push({
        id,
        offset: length,
        logprobs: logprobs[at + index === 0 ? -1 : index - (at === 0 ? 1 : 0)] ?? null,
      })
      const piece = detokenizer.push(id)
      text += piece
      length += codePoints(piece)
    }
    at += given.length
    if (given.length > 0 && at === left.length) {
      const end = detokenizer.end()
      text += end
      length += codePoints(end)
    }
    return { text, logged: wanted === null ? null : logged }
  }

  return {
    read: (logprobs) => take(logprobs.length + (at === 0 ? 1 : 0), logprobs),
    rest: () => take(left.length - at, []),
    length: () => length,
  }
}

export function codePoints(text: string): number {
  let count = 0
  for (const _ of text) count++
  return count
}
