/**
 * POST /generate: the plain route of a text-generation template, {text, max_length} -> {generated_text}. As in Hugging Face's
 * text-generation pipeline, generated_text begins with the text that was given, max_length counts its tokens too, and the most
 * likely token is taken unless a temperature is given.
 */
import * as z from 'zod/mini'
import { MAX_TOKENS_MAX, samplingShape } from '../../../src/contract/chat-completion.ts'
import { planAnswer } from './answer-plan.ts'
import { deliverWhole } from './deliver-answer.ts'
import { parse, readJson } from './parse-body.ts'
import { RequestError } from './request-error.ts'
import type { Handler } from './route.ts'
import { whenServing } from './serving.ts'
import { textPrompt } from './text-completions.ts'

const MAX_LENGTH_DEFAULT = 100

const generateSchema = z.strictObject({
  text: z.string().check(z.minLength(1)),
  /** Tokens of the text and what follows it together. */
  max_length: z._default(z.int().check(z.minimum(1), z.maximum(MAX_TOKENS_MAX)), MAX_LENGTH_DEFAULT),
  temperature: samplingShape.temperature,
  top_p: samplingShape.top_p,
  top_k: samplingShape.top_k,
  seed: samplingShape.seed,
})

export const generate: Handler = async ({ request, response, server }) => {
  const serving = whenServing(server)
  const { text, max_length: maxLength, temperature, ...sampling } = parse(generateSchema, await readJson(request))
  const prompt = textPrompt(serving, text)
  if (prompt.length >= maxLength) {
    const message = `max_length: ${maxLength} tokens leave no room behind the text, which has ${prompt.length}`
    throw new RequestError('invalid_request', message, 'max_length')
  }
  const asked = { model: serving.modelName, prompt, temperature: temperature ?? 0, ...sampling }
  const plan = planAnswer(serving, asked, maxLength - prompt.length, () => prompt)
  await deliverWhole(serving, plan, (answer) => ({ generated_text: text + answer.text }), response)
}
