/** A whole answer in OpenAI's shape as one of Anthropic's. */

import type { ChatResponse } from '../../contract/chat-completion.ts'
import { type Fields, isFields, listOfFields } from '../../contract/fields.ts'
import type { MessageBlock, MessageResponse } from '../../contract/messages.ts'
import { AppError } from '../../errors.ts'
import { messageUsage, stopReason } from './stop-reason.ts'

export function messageOf(answer: ChatResponse, stops: readonly string[]): MessageResponse {
  const [choice] = answer.choices
  if (!choice) throw new AppError('upstream_interrupted', 'The model stopped in the middle of its answer.')
  const { message, finish_reason } = choice
  const [stop_reason, stop_sequence] = stopReason(choice, stops)
  const text = message.content ?? ''
  const refusal = message.refusal ?? ''
  return {
    id: messageId(answer.id),
    type: 'message',
    role: 'assistant',
    model: answer.model,
    content: [
      ...thoughtsOf(message),
      ...[text, refusal].filter((said) => said !== '').map((said) => textBlock(said)),
      ...listOfFields(message.tool_calls).map((call) => toolUse(call, finish_reason === 'length')),
    ],
    stop_reason,
    stop_sequence,
    usage: messageUsage(answer.usage),
  }
}

/** Anthropic's clients keep ids in logs and hand them to support: they begin as Anthropic's do, and go on as ours. */
export function messageId(completionId: string): string {
  return `msg_${completionId.replace(/^(chatcmpl-|msg_)/, '')}`
}

const textBlock = (text: string): MessageBlock => ({ type: 'text', text, citations: null })

/** `thinking_blocks` as the anthropic adapter keeps them, else `reasoning_content` as DeepSeek's and vLLM's models send it. */
function thoughtsOf(message: { [field: string]: unknown }): MessageBlock[] {
  const blocks = listOfFields(message.thinking_blocks)
  // Sound: the adapter made them of Anthropic's own blocks; another server's invention is for the caller to see.
  if (blocks.length > 0) return blocks.map(({ index: _, ...block }) => block as MessageBlock)
  const thinking = message.reasoning_content ?? message.reasoning
  return typeof thinking === 'string' && thinking !== '' ? [{ type: 'thinking', thinking, signature: '' }] : []
}

function toolUse(call: Fields, isCutShort: boolean): MessageBlock {
  const named = isFields(call.function) ? call.function : {}
  return {
    type: 'tool_use',
    id: String(call.id ?? ''),
    name: String(named.name ?? ''),
    input: inputOf(String(named.arguments ?? ''), isCutShort),
  }
}

/** A client acts on it: half an object is none. */
function inputOf(text: string, isCutShort: boolean): Fields {
  try {
    const input: unknown = text.trim() === '' ? {} : JSON.parse(text)
    if (isFields(input)) return input
  } catch {
    if (isCutShort) return {}
  }
  throw new AppError('upstream_interrupted', 'The model called a tool with arguments that are no JSON object.')
}
