/** What an answer has cost so far: the model's own figures where it gave them, else the token ids that went by, else a guess from the text. */
import type { Usage } from '../contract/chat-completion.ts'
import type { ModelEvent } from './ports.ts'

export type UsageTally = {
  add(events: readonly ModelEvent[]): void
  /** Undefined until the model has told. */
  promptTokens(): number | undefined
  /** So far: what was reported or went by, guessed where a model tells of neither ids nor usage as it goes. */
  completionTokens(): number
  /** Undefined while nothing is known. Never guessed: callers see it. */
  usage(): Usage | undefined
  /** What was generated, guessed where nothing better is known; with 0 prompt tokens where they are not known. Undefined when nothing went by. */
  spent(): Usage | undefined
}

/** Usual text of most languages. */
const CHARS_PER_TOKEN = 4

export function usageTally(): UsageTally {
  let reported: Usage | undefined
  let promptTokens: number | undefined
  let completionTokens = 0
  /** Of choices without token ids: the pieces that said something, most often a token each, and their characters. */
  let pieces = 0
  let chars = 0

  const guessed = () => Math.max(pieces, Math.ceil(chars / CHARS_PER_TOKEN))
  const counted = () => completionTokens + guessed()

  return {
    add(events) {
      for (const event of events) {
        // The last one holds: some servers report a running total with every event.
        if (event.usage) reported = event.usage
        if ('prompt_token_ids' in event && event.prompt_token_ids) promptTokens = event.prompt_token_ids.length
        for (const choice of event.choices) {
          if (choice.token_ids) completionTokens += choice.token_ids.length
          else {
            const said = 'text' in choice ? choice.text.length : charsOf(choice.delta)
            if (said > 0) pieces += 1
            chars += said
          }
          if ('prompt_token_ids' in choice && choice.prompt_token_ids) promptTokens = choice.prompt_token_ids.length
        }
      }
    },
    promptTokens: () => reported?.prompt_tokens ?? promptTokens,
    // What the model reports is the truth, also where the guess was above it; while it goes, its running total may lag behind.
    completionTokens: () => Math.max(reported?.completion_tokens ?? guessed(), completionTokens),
    usage() {
      if (reported) return reported
      if (promptTokens === undefined && completionTokens === 0) return undefined
      return usageOf(promptTokens ?? 0, completionTokens)
    },
    spent() {
      if (reported) return reported
      if (promptTokens === undefined && counted() === 0) return undefined
      return usageOf(promptTokens ?? 0, counted())
    },
  }
}

function usageOf(prompt: number, completion: number): Usage {
  return { prompt_tokens: prompt, completion_tokens: completion, total_tokens: prompt + completion }
}

/** All text of a delta: content, reasoning, refusal, the arguments of calls. The role is the server's, not the model's. */
function charsOf(delta: { [field: string]: unknown }): number {
  let chars = 0
  for (const field in delta) {
    if (field === 'role') continue
    const value = delta[field]
    if (typeof value === 'string') chars += value.length
    else if (typeof value === 'object' && value !== null) chars += JSON.stringify(value).length
  }
  return chars
}
