/** POST /v1/chat/completions, and /invocations in SageMaker mode. */
import { type ChatRequest, chatRequestSchema } from '../../../src/contract/chat-completion.ts'
import { answerId } from './answer-id.ts'
import { planAnswer, planChoices } from './answer-plan.ts'
import type { ChosenModel } from './choose-model.ts'
import { type AnswerShape, deliverAnswer } from './deliver-answer.ts'
import { encodePrompt } from './encode-prompt.ts'
import { refuseUnsupported } from './field-support.ts'
import { chatLogprobs } from './logprobs.ts'
import { parse, readJson } from './parse-body.ts'
import { RequestError } from './request-error.ts'
import type { Handler } from './route.ts'
import { type Serving, whenServing } from './serving.ts'

export const chatCompletions: Handler = async ({ request, response, server }) => {
  const serving = whenServing(server)
  await answerChat(serving, await readJson(request), response)
}

/** The same for a caller who does not know the model's name: SageMaker's endpoint is the name. */
export const invocations: Handler = async ({ request, response, server }) => {
  const serving = whenServing(server)
  const body = await readJson(request)
  await answerChat(
    serving,
    body instanceof Object && !('model' in body) ? { ...body, model: serving.modelName } : body,
    response,
  )
}

async function answerChat(serving: Serving, body: unknown, response: Parameters<Handler>[0]['response']) {
  const request = parse(chatRequestSchema, body)
  refuseUnsupported(request, CHAT_FIELDS)
  const maxTokens = request.max_completion_tokens ?? request.max_tokens ?? null
  const ending = promptEnding(request)
  const plan = await planAnswer(serving, request, maxTokens, () => chatPrompt(serving, request.messages, ending))
  const plans = planChoices(serving, [plan], request.n ?? 1)
  await deliverAnswer(serving, plans, chatShape(serving, plan), response)
}

const CHAT_FIELDS = [
  ...[
    'messages',
    'max_completion_tokens',
    'logprobs',
    'top_logprobs',
    'add_generation_prompt',
    'continue_final_message',
  ],
]

export type PromptEnding = { addGenerationPrompt?: boolean; continueFinalMessage?: boolean }

/** vLLM's two switches. @throws RequestError where they contradict each other or the messages */
function promptEnding({ add_generation_prompt, continue_final_message, messages }: ChatRequest): PromptEnding {
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
  ending: PromptEnding = {},
): Promise<number[]> {
  const { template } = serving
  if (!template.ok) throw new RequestError('invalid_request', template.message, 'messages')
  for (const [index, message] of messages.entries()) {
    const field = ['tool_calls', 'function_call', 'audio'].find((name) => (message[name] ?? null) !== null)
    if (field !== undefined) {
      const param = `messages[${index}].${field}`
      throw new RequestError('unsupported_parameter', `This server does not support ${param}.`, param)
    }
    if (message.role === 'tool' || message.role === 'function') {
      const param = `messages[${index}].role`
      throw new RequestError('unsupported_parameter', 'This server does not support tools.', param)
    }
  }
  const rendered = template.template.render(messages, ending)
  if (!rendered.ok) throw new RequestError('invalid_request', rendered.message, rendered.param)
  return encodePrompt(serving, rendered.prompt, 'messages', 'unshielded')
}

function chatShape({ tokenizer }: Serving, { model, fingerprint }: ChosenModel): AnswerShape {
  const head = {
    id: answerId('chatcmpl'),
    created: Math.floor(Date.now() / 1_000),
    model,
    system_fingerprint: fingerprint,
  }
  const chunk = (index: number, choice: object) => ({
    ...head,
    object: 'chat.completion.chunk',
    choices: [{ index, finish_reason: null, ...choice }],
  })
  return {
    choice: (index) => ({
      opening: (promptIds) => [
        {
          ...chunk(index, { delta: { role: 'assistant', content: '' } }),
          ...(promptIds && { prompt_token_ids: promptIds }),
        },
      ],
      piece: ({ text, ids, logged }) =>
        chunk(index, {
          delta: { content: text },
          ...(logged !== null && logged.length > 0 && { logprobs: chatLogprobs(tokenizer, logged) }),
          ...(ids && { token_ids: ids }),
        }),
      closing: (reason) => chunk(index, { delta: {}, finish_reason: reason }),
      whole: ({ text, reason, ids, logged }) => ({
        index,
        message: { role: 'assistant', content: text, refusal: null },
        logprobs: chatLogprobs(tokenizer, logged),
        finish_reason: reason,
        ...(ids && { token_ids: ids }),
      }),
    }),
    usage: (usage) => ({ ...head, object: 'chat.completion.chunk', choices: [], usage }),
    whole: (choices, usage, promptIds) => ({
      ...head,
      object: 'chat.completion',
      choices,
      usage,
      ...(promptIds && { prompt_token_ids: promptIds }),
    }),
  }
}
