/** Goes on from the text: the answer so far is the assistant's last message, left open. A text completion has it behind its prompt. */
import type { ModelRequest } from '../../chat/ports.ts'
import type { Message } from '../../contract/chat-completion.ts'
import type { Way } from '../open-somewhere.ts'
import { mayGoOnInWords } from './may-go-on-in-words.ts'
import { oneChoice } from './one-choice.ts'
import { type SaidChoice, tokensOf } from './said.ts'
import { shortened } from './shortened.ts'

/** Undefined where it cannot be right. The fields' names are vLLM's. */
export function byAssistant(call: Way['call'], choice: SaidChoice): Way | undefined {
  if (!mayGoOnInWords(call.request, choice)) return undefined
  const request = oneChoice(call.request)
  const left = shortened(request.body, tokensOf(choice))
  if (request.kind === 'text') {
    const body = withText(request, choice.text, left)
    return body && { by: 'assistant', call: { ...call, request: { kind: 'text', body } } }
  }
  const messages = withPartial(request.body.messages, choice.text, request.body.continue_final_message === true)
  if (messages === undefined) return undefined
  const body = { ...request.body, ...left, messages, continue_final_message: true, add_generation_prompt: false }
  return { by: 'assistant', call: { ...call, request: { kind: 'chat', body } } }
}

/** The messages with the answer so far at their end. Undefined where it would have to grow a last message that is not plain text. */
export function withPartial(messages: readonly Message[], text: string, growsLast: boolean): Message[] | undefined {
  const last = messages.at(-1)
  if (!growsLast || last === undefined) return [...messages, { role: 'assistant', content: text }]
  if (typeof last.content !== 'string') return undefined
  return [...messages.slice(0, -1), { ...last, content: last.content + text }]
}

function withText({ body }: Extract<ModelRequest, { kind: 'text' }>, text: string, left: object) {
  const prompt = typeof body.prompt === 'string' ? body.prompt : body.prompt.length === 1 ? body.prompt[0] : undefined
  // A prompt of ids has no text to add to, and a suffix is where an answer ends that was to fill a gap.
  return typeof prompt === 'string' ? { ...body, ...left, prompt: prompt + text } : undefined
}
