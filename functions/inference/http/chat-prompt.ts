/** Messages to token ids, by the model's chat template. */
import type { ChatRequest } from '../../../src/contract/chat-completion.ts'
import { encodePrompt } from './encode-prompt.ts'
import { RequestError } from './request-error.ts'
import type { Serving } from './serving.ts'

export type PromptOptions = PromptEnding & {
  tools?: readonly unknown[]
  /** Aborts when the caller has left. */
  signal?: AbortSignal
}
export type PromptEnding = { addGenerationPrompt?: boolean; continueFinalMessage?: boolean }

/** vLLM's two switches. @throws RequestError where they contradict each other or the messages */
export function promptEnding(request: ChatRequest): PromptEnding {
  const { add_generation_prompt, continue_final_message, messages } = request
  const continueFinalMessage = continue_final_message ?? false
  if (!continueFinalMessage) return { addGenerationPrompt: add_generation_prompt ?? true }
  const param = 'continue_final_message'
  if (add_generation_prompt === true) {
    throw new RequestError('invalid_request', `${param}: cannot be true beside add_generation_prompt`, param)
  }
  if (messages.at(-1)?.role !== 'assistant') {
    throw new RequestError('invalid_request', `${param}: needs a last message of the assistant`, param)
  }
  return { addGenerationPrompt: false, continueFinalMessage }
}

/** @throws RequestError for messages that the model cannot take */
export async function chatPrompt(
  serving: Serving,
  messages: ChatRequest['messages'],
  options: PromptOptions = {},
): Promise<number[]> {
  const { template } = serving
  if (!template.ok) throw new RequestError('invalid_request', template.message, 'messages')
  for (const [index, message] of messages.entries()) {
    const field = ['function_call', 'audio'].find((name) => (message[name] ?? null) !== null)
    if (field !== undefined) {
      const param = `messages[${index}].${field}`
      throw new RequestError('unsupported_parameter', `This server does not support ${param}.`, param)
    }
    if (message.role === 'function') {
      const param = `messages[${index}].role`
      throw new RequestError('unsupported_parameter', 'This server knows tools, not the older functions.', param)
    }
  }
  const rendered = template.template.render(messages, options)
  if (!rendered.ok) throw new RequestError('invalid_request', rendered.message, rendered.param)
  return encodePrompt(serving, rendered.prompt, 'messages', 'unshielded', options.signal)
}
