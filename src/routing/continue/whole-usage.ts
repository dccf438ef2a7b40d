/** What an answer that several deployments gave has cost: its prompt once, and every token that the caller got. */
import type { Usage } from '../../contract/chat-completion.ts'
import type { Continuation } from '../../contract/continuation.ts'
import { instruction } from './by-instruct.ts'
import { type Said, type SaidChoice, tokensOf } from './said.ts'

/** A part of one choice's answer, given by another deployment than the part before it. */
export type Part = {
  index: number
  by: Continuation | undefined
  /** Of the choice, when the part began. */
  before: { tokens: number; text: string }
  /** Undefined where the deployment died, or did not tell. */
  usage: Usage | undefined
}

/** Usual text of most languages. */
const CHARS_PER_TOKEN = 4

/**
 * Where a dead deployment told neither ids nor usage, its tokens are guessed: a caller who is billed should see the figure.
 * @param parts all continuations, in order
 */
export function wholeUsage(said: Said, choices: number, parts: readonly Part[]): Usage {
  const last = parts.at(-1)
  // It replayed the whole answer, and there is nothing beside it.
  if (choices === 1 && last?.by === 'token_ids' && last.usage) return last.usage
  const prompt = said.promptIds()?.length ?? guessedPrompt(parts)
  let completion = 0
  for (let index = 0; index < choices; index++) completion += tokensOfChoice(said.choice(index), parts)
  return { prompt_tokens: prompt, completion_tokens: completion, total_tokens: prompt + completion }
}

function tokensOfChoice(choice: SaidChoice, parts: readonly Part[]): number {
  const last = parts.findLast(({ index }) => index === choice.index)
  const reported = last?.usage?.completion_tokens
  if (last === undefined || reported === undefined || choice.ids) return tokensOf(choice)
  return last.by === 'token_ids' ? reported : last.before.tokens + reported
}

/** A target's prompt has the answer so far in it, and perhaps the request to go on. */
function guessedPrompt(parts: readonly Part[]): number {
  const told = parts.find(({ usage }) => usage !== undefined)
  if (told?.usage === undefined) return 0
  const { before, by, usage } = told
  if (by === 'token_ids' || by === undefined) return usage.prompt_tokens
  const request = by === 'instruct' ? Math.ceil(instruction(before.text).length / CHARS_PER_TOKEN) : 0
  return Math.max(usage.prompt_tokens - before.tokens - request, 1)
}
