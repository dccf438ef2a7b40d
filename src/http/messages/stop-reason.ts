/** Why an answer ended, in Anthropic's words. */

import type { Usage } from '../../contract/chat-completion.ts'
import type { MessageStopReason, MessageUsage } from '../../contract/messages.ts'

const REASONS: Readonly<Record<string, MessageStopReason>> = {
  stop: 'end_turn',
  length: 'max_tokens',
  tool_calls: 'tool_use',
  function_call: 'tool_use',
  content_filter: 'refusal',
}

/**
 * @param choice its `stop_reason`, where the endpoint has vLLM's field, says which stop sequence it was
 * @param stops the caller's
 */
export function stopReason(
  choice: { finish_reason: string; stop_reason?: unknown },
  stops: readonly string[],
): [MessageStopReason, string | null] {
  const { finish_reason: finishReason, stop_reason: matched } = choice
  if (finishReason === 'stop' && typeof matched === 'string' && stops.includes(matched)) {
    return ['stop_sequence', matched]
  }
  return [REASONS[finishReason] ?? 'end_turn', null]
}

export function messageUsage(usage: Usage | undefined): MessageUsage {
  const cached = usage?.prompt_tokens_details?.cached_tokens ?? 0
  return {
    input_tokens: Math.max(0, (usage?.prompt_tokens ?? 0) - cached),
    output_tokens: usage?.completion_tokens ?? 0,
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: cached,
  }
}
