/** POST /v1/chat/completions. */
import { chatRequestSchema } from '../../../src/contract/chat-completion.ts'
import type { Endings } from '../engine/engine-messages.ts'
import { planAnswer, planChoices, refuseTooMany } from './answer-plan.ts'
import { chatPrompt, promptEnding } from './chat-prompt.ts'
import { chatShape } from './chat-shape.ts'
import { checkGrammar } from './check-grammar.ts'
import { chooseModel } from './choose-model.ts'
import { deliverAnswer, type PreparedAnswer } from './deliver-answer.ts'
import { refuseUnsupported } from './field-support.ts'
import { untilHangUp } from './hang-up.ts'
import { parse, readJson } from './parse-body.ts'
import { RequestError } from './request-error.ts'
import { readResponseFormat } from './response-format.ts'
import type { Handler } from './route.ts'
import { planEndings } from './sampling-plan.ts'
import { type Serving, whenServing } from './serving.ts'
import { createToolAnswer } from './tool-answer.ts'
import { readTools } from './tool-request.ts'

export const chatCompletions: Handler = async ({ request, response, server }) => {
  const serving = whenServing(server)
  await answerChat(serving, await readJson(request), response)
}

const CHAT_FIELDS = [
  ...['messages', 'max_completion_tokens', 'logprobs', 'top_logprobs', 'add_generation_prompt'],
  ...['continue_final_message', 'response_format', 'tools', 'tool_choice', 'parallel_tool_calls'],
]

export async function answerChat(serving: Serving, body: unknown, response: Parameters<Handler>[0]['response']) {
  const request = parse(chatRequestSchema(), body)
  refuseUnsupported(request, CHAT_FIELDS)
  const maxTokens = request.max_completion_tokens ?? request.max_tokens ?? null
  const tools = readTools(request)
  const format = readResponseFormat(request.response_format)
  if (tools !== null && format !== null) {
    throw new RequestError(
      'unsupported_parameter',
      'response_format cannot be followed beside tools.',
      'response_format',
    )
  }
  const n = request.n ?? 1
  refuseTooMany(serving, 1, n)
  const grammar = tools?.grammar ?? format
  if (grammar !== null) refuseEndings(planEndings(request, serving.tokenizer.vocabSize))
  const ending = { ...promptEnding(request), ...(tools && { tools: tools.shown }), signal: untilHangUp(response) }

  async function prepare(): Promise<PreparedAnswer> {
    chooseModel(serving, request.model)
    // Before the prompt, which may wait for others: a schema that cannot be followed is told by a status.
    if (grammar !== null) await checkGrammar(serving, grammar, tools === null ? 'response_format' : 'tools')
    const prompt = () => chatPrompt(serving, request.messages, ending)
    const planned = await planAnswer(serving, request, maxTokens, prompt)
    const plan = grammar === null ? planned : { ...planned, grammar }
    if (tools === null) return { plans: planChoices([plan], n), shape: chatShape(serving, plan) }
    // Calls are found in the whole text; what of them was sent is left out behind that.
    const plans = planChoices([{ ...plan, sentChars: 0 }], n)
    const openTools = (index: number) => createToolAnswer(plans[index] ?? plan, plan.sentChars)
    return { plans, shape: chatShape(serving, plan, openTools) }
  }
  return deliverAnswer(serving, request.stream ?? false, prepare(), response)
}

/** A grammar says itself when an answer ends. @throws RequestError for fields that would have it go on with nothing allowed */
function refuseEndings(endings: Endings | undefined) {
  if (endings === undefined) return
  const param = endings.ignoreEos ? 'ignore_eos' : endings.minTokens > 0 ? 'min_tokens' : undefined
  if (param === undefined) return
  throw new RequestError('unsupported_parameter', `${param} cannot be followed beside tools or response_format.`, param)
}
