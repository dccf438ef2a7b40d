/** POST /generate: the plain route of a text-generation template, as the edge serves it too: text in, its likeliest continuation out. */
import { generateRequestSchema } from '../../../src/contract/generate.ts'
import { planAnswer } from './answer-plan.ts'
import { deliverWhole, type WholeAnswer } from './deliver-answer.ts'
import { untilHangUp } from './hang-up.ts'
import { parse, readJson } from './parse-body.ts'
import type { Handler } from './route.ts'
import { whenServing } from './serving.ts'
import { textPrompt } from './text-completions.ts'

export const generate: Handler = async ({ request, response, server }) => {
  const serving = whenServing(server)
  const { text, max_length: maxTokens } = parse(generateRequestSchema(), await readJson(request))
  const asked = { model: serving.modelName, prompt: text, temperature: 0 }
  const plan = await planAnswer(serving, asked, maxTokens, () => textPrompt(serving, text, untilHangUp(response)))
  const shape = {
    choice: () => ({ whole: ({ text }: WholeAnswer) => ({ generated_text: text }) }),
    whole: ([answer]: unknown[]) => answer,
  }
  await deliverWhole(serving, [plan], shape, response)
}
