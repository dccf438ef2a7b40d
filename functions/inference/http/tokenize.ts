/** POST /tokenize: how many tokens a prompt or a conversation is, for callers without a tokenizer. */
import * as z from 'zod/mini'
import { chatRequestSchema, textRequestSchema } from '../../../src/contract/chat-completion.ts'
import type { TokenizeResponse } from '../../../src/contract/inference-wire.ts'
import { chatPrompt } from './chat-prompt.ts'
import { untilHangUp } from './hang-up.ts'
import { parse, readJson } from './parse-body.ts'
import { RequestError } from './request-error.ts'
import type { Handler } from './route.ts'
import { sendJson } from './send-json.ts'
import { whenServing } from './serving.ts'
import { textPrompt } from './text-completions.ts'

const tokenizeSchema = z.strictObject({
  model: z.optional(chatRequestSchema().shape.model),
  messages: z.optional(chatRequestSchema().shape.messages),
  prompt: z.optional(textRequestSchema().shape.prompt),
  return_tokens: z._default(z.boolean(), true),
})

export const tokenize: Handler = async ({ request, response, server }) => {
  const serving = whenServing(server)
  const { messages, prompt, return_tokens } = parse(tokenizeSchema, await readJson(request))
  if ((messages === undefined) === (prompt === undefined)) {
    throw new RequestError('invalid_request', 'Give exactly one of messages and prompt.', 'prompt')
  }
  const signal = untilHangUp(response)
  const tokens = await (messages !== undefined
    ? chatPrompt(serving, messages, { signal })
    : textPrompt(serving, prompt ?? '', signal))
  const body: TokenizeResponse = { count: tokens.length, max_model_len: serving.context }
  sendJson(response, 200, return_tokens ? { ...body, tokens } : body)
}
