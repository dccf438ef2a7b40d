/**
 * A stream of OpenAI's chunks as Anthropic's named events: blocks that open, grow and close one after the other. Pure, a step a chunk;
 * it never sees a failure, which ends the stream as an error event.
 */

import type { ChatChunk, Usage } from '../../contract/chat-completion.ts'
import { type Fields, isFields, listOfFields } from '../../contract/fields.ts'
import type { MessageBlock, MessageDelta, MessageEvent } from '../../contract/messages.ts'
import { AppError } from '../../errors.ts'
import { messageId } from './message-of.ts'
import { messageUsage, stopReason } from './stop-reason.ts'

export type MessageEvents = {
  /** In the order of the stream. Throws an AppError for what has no place in this shape. */
  of(chunk: ChatChunk): MessageEvent[]
  /** After the last chunk of a complete answer. */
  end(): MessageEvent[]
}

export function messageEvents(stops: readonly string[]): MessageEvents {
  let begun = false
  let index = -1
  /** What the open block is: `text`, `thinking`, or `call` with the number of its call; undefined when none is open. */
  let open: string | undefined
  const closedCalls = new Set<string>()
  let ending: ReturnType<typeof stopReason> | undefined
  let usage: Usage | undefined

  function start(chunk: ChatChunk): MessageEvent[] {
    if (begun) return []
    begun = true
    const { id, model } = chunk
    const head = { id: messageId(id), type: 'message', role: 'assistant', model, content: [] } as const
    // How long the prompt is is known at the end, where `message_delta` says it.
    return [
      {
        type: 'message_start',
        message: { ...head, content: [], stop_reason: null, stop_sequence: null, usage: messageUsage(undefined) },
      },
    ]
  }

  function close(): MessageEvent[] {
    if (open === undefined) return []
    if (open.startsWith('call')) closedCalls.add(open)
    open = undefined
    return [{ type: 'content_block_stop', index }]
  }

  function into(kind: string, block: MessageBlock): MessageEvent[] {
    if (open === kind) return []
    if (closedCalls.has(kind)) {
      throw new AppError('upstream_interrupted', 'The model went on with a tool call that it had left for another.')
    }
    const events = close()
    open = kind
    index++
    events.push({ type: 'content_block_start', index, content_block: block })
    return events
  }

  const grow = (delta: MessageDelta): MessageEvent => ({ type: 'content_block_delta', index, delta })

  function said(delta: Fields): MessageEvent[] {
    const events: MessageEvent[] = []
    events.push(...thought(delta))
    for (const text of [delta.content, delta.refusal]) {
      if (typeof text !== 'string' || text === '') continue
      events.push(...into('text', { type: 'text', text: '', citations: null }), grow({ type: 'text_delta', text }))
    }
    for (const call of listOfFields(delta.tool_calls)) events.push(...called(call))
    return events
  }

  function thought(delta: Fields): MessageEvent[] {
    const events: MessageEvent[] = []
    const blocks = listOfFields(delta.thinking_blocks)
    for (const block of blocks) {
      if (block.type === 'redacted_thinking') {
        events.push(...into(`redacted ${index + 1}`, { type: 'redacted_thinking', data: String(block.data) }))
        continue
      }
      // One that is signed is over: the next thought is a block of its own.
      events.push(...into('thinking', { type: 'thinking', thinking: '', signature: '' }))
      const { thinking, signature } = block
      if (typeof thinking === 'string' && thinking !== '') events.push(grow({ type: 'thinking_delta', thinking }))
      if (typeof signature === 'string' && signature !== '') {
        events.push(grow({ type: 'signature_delta', signature }), ...close())
      }
    }
    const thinking = delta.reasoning_content ?? delta.reasoning
    if (blocks.length > 0 || typeof thinking !== 'string' || thinking === '') return events
    events.push(...into('thinking', { type: 'thinking', thinking: '', signature: '' }))
    events.push(grow({ type: 'thinking_delta', thinking }))
    return events
  }

  function called(call: Fields): MessageEvent[] {
    const named: Fields = isFields(call.function) ? call.function : {}
    const kind = `call ${String(call.index ?? 0)}`
    const block: MessageBlock = {
      type: 'tool_use',
      id: String(call.id ?? ''),
      name: String(named.name ?? ''),
      input: {},
    }
    const events = into(kind, block)
    const pieces = named.arguments
    if (typeof pieces === 'string' && pieces !== '') {
      events.push(grow({ type: 'input_json_delta', partial_json: pieces }))
    }
    return events
  }

  return {
    of(chunk) {
      const events = start(chunk)
      for (const choice of chunk.choices) {
        if (choice.index !== 0) continue
        events.push(...said(choice.delta))
        const { finish_reason } = choice
        if (finish_reason) ending = stopReason({ ...choice, finish_reason }, stops)
      }
      if (chunk.usage) usage = chunk.usage
      return events
    },
    end() {
      if (!ending) throw new AppError('upstream_interrupted', 'The model stopped in the middle of its answer.')
      const [stop_reason, stop_sequence] = ending
      return [
        ...close(),
        { type: 'message_delta', delta: { stop_reason, stop_sequence }, usage: messageUsage(usage) },
        { type: 'message_stop' },
      ]
    },
  }
}
