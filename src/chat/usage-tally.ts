/** What an answer has cost so far: the model's own figures where it gave them, else the token ids that went by. */
import type { Usage } from '../contract/chat-completion.ts'
import type { ModelEvent } from './ports.ts'

export type UsageTally = {
  add(events: readonly ModelEvent[]): void
  /** So far: what was reported, else what went by. */
  completionTokens(): number
  /** Undefined while nothing is known. */
  usage(): Usage | undefined
}

export function usageTally(): UsageTally {
  let reported: Usage | undefined
  let promptTokens: number | undefined
  let completionTokens = 0

  return {
    add(events) {
      for (const event of events) {
        // The last one holds: some servers report a running total with every event.
        if (event.usage) reported = event.usage
        if ('prompt_token_ids' in event && event.prompt_token_ids) promptTokens = event.prompt_token_ids.length
        for (const choice of event.choices) {
          if (choice.token_ids) completionTokens += choice.token_ids.length
          if ('prompt_token_ids' in choice && choice.prompt_token_ids) promptTokens = choice.prompt_token_ids.length
        }
      }
    },
    completionTokens: () => Math.max(reported?.completion_tokens ?? 0, completionTokens),
    usage() {
      if (reported) return reported
      if (promptTokens === undefined && completionTokens === 0) return undefined
      const prompt = promptTokens ?? 0
      return { prompt_tokens: prompt, completion_tokens: completionTokens, total_tokens: prompt + completionTokens }
    },
  }
}
