/**
 * Anthropic's stream as OpenAI's chunks, an event at a time. What it says of thinking stands twice: as `reasoning_content`, which
 * OpenAI's clients know, and as `thinking_blocks` with signatures, which /v1/messages gives back unchanged.
 */

import type { ChatChunk, ChatChunkChoice, FinishReason, Usage } from '../../contract/chat-completion.ts'
import { type Fields, isFields } from '../../contract/fields.ts'

export type FromAnthropic =
  /** Empty where there is nothing for the caller in it. */
  | { kind: 'chunks'; chunks: readonly ChatChunk[] }
  | { kind: 'done' }
  | { kind: 'error'; body: unknown }
  | { kind: 'malformed' }

const NOTHING: FromAnthropic = { kind: 'chunks', chunks: [] }
const MALFORMED: FromAnthropic = { kind: 'malformed' }

const FINISH_REASONS: Readonly<Record<string, FinishReason>> = {
  end_turn: 'stop',
  stop_sequence: 'stop',
  pause_turn: 'stop',
  max_tokens: 'length',
  model_context_window_exceeded: 'length',
  tool_use: 'tool_calls',
  refusal: 'content_filter',
}

/** One for each stream. @param now seconds since 1970, for `created` */
export function chatChunks(now: () => number): (data: string) => FromAnthropic {
  let head: Pick<ChatChunk, 'id' | 'object' | 'created' | 'model'> | undefined
  let usage: Fields = {}
  let calls = -1
  let thoughts = -1

  function chunk(choice: Partial<ChatChunkChoice>): FromAnthropic {
    return say({ choices: [{ index: 0, delta: {}, finish_reason: null, ...choice }] })
  }

  function say(...said: Pick<ChatChunk, 'choices' | 'usage'>[]): FromAnthropic {
    const known = head
    return known ? { kind: 'chunks', chunks: said.map((piece) => ({ ...known, ...piece })) } : MALFORMED
  }

  const EVENTS: Readonly<Record<string, (event: Fields) => FromAnthropic>> = {
    message_start({ message }) {
      if (!isFields(message)) return MALFORMED
      const id = String(message.id ?? '')
      head = { id, object: 'chat.completion.chunk', created: Math.floor(now()), model: String(message.model ?? '') }
      if (isFields(message.usage)) usage = message.usage
      return chunk({ delta: { role: 'assistant', content: '' } })
    },
    content_block_start({ content_block: block }) {
      if (!isFields(block)) return MALFORMED
      if (block.type === 'tool_use') {
        calls++
        const called = { name: String(block.name ?? ''), arguments: '' }
        return chunk({ delta: { tool_calls: [{ index: calls, id: block.id, type: 'function', function: called }] } })
      }
      if (block.type === 'thinking') {
        thoughts++
        return NOTHING
      }
      if (block.type === 'redacted_thinking') {
        thoughts++
        return chunk({ delta: { thinking_blocks: [{ index: thoughts, type: block.type, data: block.data }] } })
      }
      const { text } = block
      return typeof text === 'string' && text !== '' ? chunk({ delta: { content: text } }) : NOTHING
    },
    content_block_delta({ delta }) {
      if (!isFields(delta)) return MALFORMED
      return DELTAS[String(delta.type)]?.(delta) ?? NOTHING
    },
    message_delta({ delta, usage: more }) {
      if (isFields(more)) usage = { ...usage, ...withoutNull(more) }
      const reason = isFields(delta) ? delta.stop_reason : undefined
      if (typeof reason !== 'string') return NOTHING
      const matched = isFields(delta) && typeof delta.stop_sequence === 'string' ? delta.stop_sequence : undefined
      const finish_reason = FINISH_REASONS[reason] ?? 'stop'
      const choice = { index: 0, delta: {}, finish_reason, ...(matched === undefined ? {} : { stop_reason: matched }) }
      return say({ choices: [choice] }, { choices: [], usage: usageOf(usage) })
    },
    message_stop: () => ({ kind: 'done' }),
    error: (event) => ({ kind: 'error', body: event }),
  }

  const DELTAS: Readonly<Record<string, (delta: Fields) => FromAnthropic>> = {
    text_delta: ({ text }) => chunk({ delta: { content: String(text ?? '') } }),
    input_json_delta: ({ partial_json }) =>
      chunk({ delta: { tool_calls: [{ index: calls, function: { arguments: String(partial_json ?? '') } }] } }),
    thinking_delta: ({ thinking }) => {
      const said = String(thinking ?? '')
      const block = { index: thoughts, type: 'thinking', thinking: said }
      return chunk({ delta: { reasoning_content: said, thinking_blocks: [block] } })
    },
    signature_delta: ({ signature }) =>
      chunk({
        delta: { thinking_blocks: [{ index: thoughts, type: 'thinking', signature: String(signature ?? '') }] },
      }),
  }

  return (data) => {
    let event: unknown
    try {
      event = JSON.parse(data)
    } catch {
      return MALFORMED
    }
    if (!isFields(event)) return MALFORMED
    // Anthropic promises to add events; those we do not know say nothing to OpenAI's clients.
    return EVENTS[String(event.type)]?.(event) ?? NOTHING
  }
}

/** Anthropic counts apart what was read from its cache and what was written to it; OpenAI counts all, and says how much was cached. */
function usageOf(usage: Fields): Usage {
  const cached = numberOf(usage.cache_read_input_tokens)
  const written = numberOf(usage.cache_creation_input_tokens)
  const prompt_tokens = numberOf(usage.input_tokens) + written + cached
  const completion_tokens = numberOf(usage.output_tokens)
  return {
    prompt_tokens,
    completion_tokens,
    total_tokens: prompt_tokens + completion_tokens,
    prompt_tokens_details: { cached_tokens: cached, ...(written > 0 ? { cache_creation_tokens: written } : {}) },
  }
}

function numberOf(value: unknown): number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : 0
}

function withoutNull(fields: Fields): Fields {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null && value !== undefined))
}
