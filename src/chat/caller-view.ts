/** What of an answer its caller asked to see: the edge always asks the model for usage and token ids, most callers for neither. */
import type { ChatChunkChoice } from '../contract/chat-completion.ts'
import type { ModelEvent, ModelRequest } from './ports.ts'

export type CallerView = { usage: boolean; tokenIds: boolean }

export function callerView(request: ModelRequest): CallerView {
  return {
    usage: request.body.stream_options?.include_usage === true,
    tokenIds: request.body.return_token_ids === true,
  }
}

/** The event as the caller may see it, or undefined when nothing is left of it. Never changes the event itself. */
export function visibleEvent(event: ModelEvent, view: CallerView): ModelEvent | undefined {
  // Null in all but the last event: it is no usage, and still a field that only who asked expects.
  const hidesUsage = !view.usage && event.usage !== undefined
  if (hidesUsage && event.usage && event.choices.length === 0) return undefined
  let visible = event
  if (hidesUsage) {
    const { usage: _, ...rest } = visible
    visible = rest as ModelEvent // Sound: `usage` is optional in both kinds of event.
  }
  if (view.tokenIds) return visible
  if ('prompt_token_ids' in visible) {
    const { prompt_token_ids: _, ...rest } = visible
    visible = rest
  }
  if (!visible.choices.some(hasTokenIds)) return visible
  const choices = visible.choices.map(withoutTokenIds)
  // The model held text back: without its ids such an event says nothing.
  if (choices.every(saysNothing)) return undefined
  // Sound: each choice keeps its kind, and only optional fields go.
  return { ...visible, choices } as ModelEvent
}

type Choice = ModelEvent['choices'][number]

function hasTokenIds(choice: Choice): boolean {
  return 'token_ids' in choice || 'prompt_token_ids' in choice
}

function withoutTokenIds(choice: Choice): Choice {
  const { token_ids: _, prompt_token_ids: __, ...rest } = choice as ChatChunkChoice & { prompt_token_ids?: number[] }
  return rest
}

function saysNothing(choice: Choice): boolean {
  if (choice.finish_reason !== null || choice.logprobs) return false
  if ('text' in choice) return choice.text === ''
  for (const field in choice.delta) if (field !== 'content' || choice.delta.content !== '') return false
  return true
}
