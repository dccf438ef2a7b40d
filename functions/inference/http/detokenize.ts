/** POST /detokenize: token ids of the chat model to text, as vLLM's; special tokens are shown by their names. */
import * as z from 'zod/mini'
import { MAX_TOKENS_MAX, samplingShape } from '../../../src/contract/chat-completion.ts'
import { parse, readJson } from './parse-body.ts'
import type { Handler } from './route.ts'
import { checkIds } from './sampling-plan.ts'
import { sendJson } from './send-json.ts'
import { whenServing } from './serving.ts'

const detokenizeSchema = z.strictObject({
  model: z.optional(samplingShape().model),
  tokens: z.array(z.int().check(z.nonnegative())).check(z.maxLength(MAX_TOKENS_MAX)),
})

export const detokenize: Handler = async ({ request, response, server }) => {
  const { tokenizer } = whenServing(server)
  const { tokens } = parse(detokenizeSchema, await readJson(request))
  checkIds(tokenizer.vocabSize, tokens, 'tokens')
  sendJson(response, 200, { prompt: tokenizer.decode(tokens, { keepSpecialTokens: true }) })
}
