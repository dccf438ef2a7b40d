/** POST /v1/chat/completions, and /invocations in SageMaker mode. */
import { type ChatRequest, chatRequestSchema } from '../../../src/contract/chat-completion.ts'
import { answerId } from './answer-id.ts'
import { planAnswer } from './answer-plan.ts'
import { type AnswerShape, deliverAnswer } from './deliver-answer.ts'
import { encodePrompt } from './encode-prompt.ts'
import { refuseUnsupported } from './field-support.ts'
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
  refuseUnsupported(request, ['messages', 'max_completion_tokens'])
  const maxTokens = request.max_completion_tokens ?? request.max_tokens ?? null
  const plan = await planAnswer(serving, request, maxTokens, () => chatPrompt(serving, request.messages))
  await deliverAnswer(serving, plan, chatShape(serving), response)
}

/** @throws RequestError for messages that the model cannot take */
export async function chatPrompt(serving: Serving, messages: ChatRequest['messages']): Promise<number[]> {
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
  const rendered = template.template.render(messages)
  if (!rendered.ok) throw new RequestError('invalid_request', rendered.message, rendered.param)
  return encodePrompt(serving, rendered.prompt, 'messages', 'unshielded')
}

function chatShape({ modelName, fingerprint }: Serving): AnswerShape {
  const head = {
    id: answerId('chatcmpl'),
    created: Math.floor(Date.now() / 1_000),
    model: modelName,
    system_fingerprint: fingerprint,
  }
  const chunk = (choice: object) => ({
    ...head,
    object: 'chat.completion.chunk',
    choices: [{ index: 0, finish_reason: null, ...choice }],
  })
  return {
    opening: (promptIds) => [
      {
        ...chunk({ delta: { role: 'assistant', content: '' } }),
        ...(promptIds && { prompt_token_ids: promptIds }),
      },
    ],
    piece: (text, ids) => chunk({ delta: { content: text }, ...(ids && { token_ids: ids }) }),
    closing: (reason) => chunk({ delta: {}, finish_reason: reason }),
    usage: (usage) => ({ ...head, object: 'chat.completion.chunk', choices: [], usage }),
    whole: ({ text, reason, usage, ids, promptIds }) => ({
      ...head,
      object: 'chat.completion',
      choices: [
        {
          index: 0,
          message: { role: 'assistant', content: text, refusal: null },
          logprobs: null,
          finish_reason: reason,
          ...(ids && { token_ids: ids }),
        },
      ],
      usage,
      ...(promptIds && { prompt_token_ids: promptIds }),
    }),
  }
}
