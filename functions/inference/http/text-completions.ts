/** POST /v1/completions: text is continued as it stands, without the chat template. */
import { textRequestSchema } from '../../../src/contract/chat-completion.ts'
import { answerId } from './answer-id.ts'
import { checkIds, planAnswer } from './answer-plan.ts'
import { type AnswerShape, deliverAnswer } from './deliver-answer.ts'
import { encodePrompt } from './encode-prompt.ts'
import { refuseUnsupported } from './field-support.ts'
import { parse, readJson } from './parse-body.ts'
import { RequestError } from './request-error.ts'
import type { Handler } from './route.ts'
import { type Serving, whenServing } from './serving.ts'

/** OpenAI's default for this route. */
const MAX_TOKENS_DEFAULT = 16

export const textCompletions: Handler = async ({ request, response, server }) => {
  const serving = whenServing(server)
  const body = parse(textRequestSchema, await readJson(request))
  refuseUnsupported(body, ['prompt'])
  const maxTokens = body.max_tokens ?? MAX_TOKENS_DEFAULT
  const plan = await planAnswer(serving, body, maxTokens, () => textPrompt(serving, body.prompt))
  await deliverAnswer(serving, plan, textShape(serving), response)
}

/** @throws RequestError for a prompt that the model cannot take */
export async function textPrompt(serving: Serving, prompt: string | string[] | number[]): Promise<number[]> {
  const { tokenizer, bosTokenId } = serving
  if (isIds(prompt)) {
    checkIds(tokenizer.vocabSize, prompt, 'prompt')
    return prompt
  }
  const ids = await encodePrompt(serving, typeof prompt === 'string' ? prompt : (prompt[0] ?? ''), 'prompt')
  if (ids.length > 0) return ids
  // Nothing to continue: a document that begins.
  if (bosTokenId !== null) return [bosTokenId]
  throw new RequestError('invalid_request', 'prompt: must not be empty', 'prompt')
}

const isIds = (prompt: string | string[] | number[]): prompt is number[] => typeof prompt[0] === 'number'

function textShape({ modelName, fingerprint }: Serving): AnswerShape {
  const head = {
    id: answerId('cmpl'),
    object: 'text_completion',
    created: Math.floor(Date.now() / 1_000),
    model: modelName,
    system_fingerprint: fingerprint,
  }
  const event = (choice: object) => ({
    ...head,
    choices: [{ index: 0, text: '', logprobs: null, finish_reason: null, ...choice }],
  })
  return {
    opening: (promptIds) => [event({ ...(promptIds && { prompt_token_ids: promptIds }) })],
    piece: (text, ids) => event({ text, ...(ids && { token_ids: ids }) }),
    closing: (reason) => event({ finish_reason: reason }),
    usage: (usage) => ({ ...head, choices: [], usage }),
    whole: ({ text, reason, usage, ids, promptIds }) => ({
      ...event({
        text,
        finish_reason: reason,
        ...(ids && { token_ids: ids }),
        ...(promptIds && { prompt_token_ids: promptIds }),
      }),
      usage,
    }),
  }
}
