/** POST /v1/completions: text is continued as it stands, without the chat template. */
import * as z from 'zod/mini'
import { MAX_TOKENS_MAX, textRequestSchema } from '../../../src/contract/chat-completion.ts'
import { answerId } from './answer-id.ts'
import { planAnswer, planChoices, refuseTooMany } from './answer-plan.ts'
import { type ChosenModel, chooseModel } from './choose-model.ts'
import { type AnswerShape, deliverAnswer, type PreparedAnswer } from './deliver-answer.ts'
import { encodePrompt } from './encode-prompt.ts'
import { refuseUnsupported } from './field-support.ts'
import { untilHangUp } from './hang-up.ts'
import { textLogprobs } from './logprobs.ts'
import { parse, readJson } from './parse-body.ts'
import { RequestError } from './request-error.ts'
import type { Handler } from './route.ts'
import { checkIds } from './sampling-plan.ts'
import { type Serving, whenServing } from './serving.ts'

/** More than any server's queue takes; each prompt is an answer of its own. */
const PROMPTS_MAX = 128

/** OpenAI's list of prompts, beside the one prompt that the edge's contract has. */
const promptSchema = z.union([
  textRequestSchema().shape.prompt,
  z.array(z.string()).check(z.minLength(1), z.maxLength(PROMPTS_MAX)),
  z
    .array(z.array(z.int().check(z.nonnegative())).check(z.minLength(1), z.maxLength(MAX_TOKENS_MAX)))
    .check(z.minLength(1), z.maxLength(PROMPTS_MAX)),
])

/** OpenAI's default for this route. */
const MAX_TOKENS_DEFAULT = 16

export const textCompletions: Handler = async ({ request, response, server }) => {
  const serving = whenServing(server)
  await answerText(serving, await readJson(request), response)
}

export async function answerText(serving: Serving, given: unknown, response: Parameters<Handler>[0]['response']) {
  const { prompts, body } = readPrompts(given)
  refuseUnsupported(body, ['prompt', 'logprobs', 'echo', 'best_of'])
  if ((body.best_of ?? body.n ?? 1) !== (body.n ?? 1)) {
    throw new RequestError('unsupported_parameter', 'best_of: must be n, all of which are given', 'best_of')
  }
  if (body.perigee !== undefined && prompts.length > 1) {
    throw new RequestError('unsupported_parameter', 'prompt: only one can be continued', 'prompt')
  }
  const maxTokens = body.max_tokens ?? MAX_TOKENS_DEFAULT
  const n = body.n ?? 1
  refuseTooMany(serving, prompts.length, n)
  const signal = untilHangUp(response)

  async function prepare(): Promise<PreparedAnswer> {
    const shape = textShape(serving, chooseModel(serving, body.model))
    const plan = (prompt: Prompt) => planAnswer(serving, body, maxTokens, () => textPrompt(serving, prompt, signal))
    return { plans: planChoices(await Promise.all(prompts.map(plan)), n), shape }
  }
  await deliverAnswer(serving, body.stream ?? false, prepare(), response)
}

type Prompt = string | string[] | number[]

/** @throws RequestError naming the first field that is wrong */
function readPrompts(given: unknown) {
  const { prompt, ...rest } = parse(z.looseObject({ prompt: promptSchema }), given)
  const prompts = (isMany(prompt) ? prompt : [prompt]) as Prompt[] // Sound: each entry is text or ids.
  return { prompts, body: parse(textRequestSchema(), { ...rest, prompt: prompts[0] }) }
}

const isMany = (prompt: Prompt | number[][]) => typeof prompt !== 'string' && typeof prompt[0] !== 'number'

/** @throws RequestError for a prompt that the model cannot take */
export async function textPrompt(serving: Serving, prompt: Prompt, signal?: AbortSignal): Promise<number[]> {
  const { tokenizer, bosTokenId } = serving
  if (isIds(prompt)) {
    checkIds(tokenizer.vocabSize, prompt, 'prompt')
    return prompt
  }
  const ids = await encodePrompt(
    serving,
    typeof prompt === 'string' ? prompt : (prompt[0] ?? ''),
    'prompt',
    true,
    signal,
  )
  if (ids.length > 0) return ids
  // Nothing to continue: a document that begins.
  if (bosTokenId !== null) return [bosTokenId]
  throw new RequestError('invalid_request', 'prompt: must not be empty', 'prompt')
}

const isIds = (prompt: Prompt): prompt is number[] => typeof prompt[0] === 'number'

function textShape({ tokenizer }: Serving, { model, fingerprint }: ChosenModel): AnswerShape {
  const head = {
    id: answerId('cmpl'),
    object: 'text_completion',
    created: Math.floor(Date.now() / 1_000),
    model,
    system_fingerprint: fingerprint,
  }
  const choiceOf = (index: number, choice: object) => ({
    ...{ index, text: '', logprobs: null, finish_reason: null },
    ...choice,
  })
  return {
    choice(index) {
      const event = (choice: object) => ({ ...head, choices: [choiceOf(index, choice)] })
      return {
        opening: (promptIds) => [event({ ...(promptIds && { prompt_token_ids: promptIds }) })],
        piece: ({ text, ids, logged }) =>
          event({
            text,
            ...(logged !== null && logged.length > 0 && { logprobs: textLogprobs(tokenizer, logged) }),
            ...(ids && { token_ids: ids }),
          }),
        closing: (reason) => event({ finish_reason: reason }),
        whole: ({ text, reason, ids, logged, promptIds }) =>
          choiceOf(index, {
            text,
            logprobs: textLogprobs(tokenizer, logged),
            finish_reason: reason,
            ...(ids && { token_ids: ids }),
            ...(promptIds && { prompt_token_ids: promptIds }),
          }),
      }
    },
    usage: (usage) => ({ ...head, choices: [], usage }),
    whole: (choices, usage) => ({ ...head, choices, usage }),
  }
}
