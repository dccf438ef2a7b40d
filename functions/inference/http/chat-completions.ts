/** POST /v1/chat/completions, and /invocations in SageMaker mode. */
import { type ChatRequest, chatRequestSchema, type FinishReason } from '../../../src/contract/chat-completion.ts'
import { answerId } from './answer-id.ts'
import { planAnswer } from './answer-plan.ts'
import { checkGrammar } from './check-grammar.ts'
import { type AnswerShape, deliverAnswer } from './deliver-answer.ts'
import { encodePrompt } from './encode-prompt.ts'
import { refuseUnsupported } from './field-support.ts'
import { parse, readJson } from './parse-body.ts'
import { RequestError } from './request-error.ts'
import { readResponseFormat } from './response-format.ts'
import type { Handler } from './route.ts'
import { type Serving, whenServing } from './serving.ts'
import { createToolAnswer, type ToolAnswer, toolMessage } from './tool-answer.ts'
import { readTools } from './tool-request.ts'

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
  const tools = readTools(request)
  const format = readResponseFormat(request.response_format)
  if (tools !== null && format !== null) {
    throw new RequestError(
      'unsupported_parameter',
      'response_format cannot be followed beside tools.',
      'response_format',
    )
  }
  const planned = await planAnswer(serving, request, maxTokens, () =>
    chatPrompt(serving, request.messages, tools?.shown),
  )
  const grammar = tools?.grammar ?? format
  if (grammar !== null) await checkGrammar(serving, grammar, tools === null ? 'response_format' : 'tools')
  const plan = grammar === null ? planned : { ...planned, grammar }
  if (tools === null) return deliverAnswer(serving, plan, chatShape(serving, null), response)
  // Calls are found in the whole text; what of them was sent is left out behind that.
  const answer = createToolAnswer(plan, plan.sentChars)
  return deliverAnswer(serving, { ...plan, sentChars: 0 }, chatShape(serving, answer), response)
}

const CHAT_FIELDS = [
  ...['messages', 'max_completion_tokens', 'response_format', 'tools', 'tool_choice', 'parallel_tool_calls'],
]

/** @throws RequestError for messages that the model cannot take */
export async function chatPrompt(
  serving: Serving,
  messages: ChatRequest['messages'],
  tools: readonly unknown[] = [],
): Promise<number[]> {
  const { template } = serving
  if (!template.ok) throw new RequestError('invalid_request', template.message, 'messages')
  for (const [index, message] of messages.entries()) {
    const field = ['function_call', 'audio'].find((name) => (message[name] ?? null) !== null)
    if (field !== undefined) {
      const param = `messages[${index}].${field}`
      throw new RequestError('unsupported_parameter', `This server does not support ${param}.`, param)
    }
    if (message.role === 'function') {
      const param = `messages[${index}].role`
      throw new RequestError('unsupported_parameter', 'This server knows tools, not the older functions.', param)
    }
  }
  const rendered = template.template.render(messages, { tools })
  if (!rendered.ok) throw new RequestError('invalid_request', rendered.message, rendered.param)
  return encodePrompt(serving, rendered.prompt, 'messages', 'unshielded')
}

/** @param tools what finds calls in the text, where there are tools */
function chatShape({ modelName, fingerprint }: Serving, tools: ToolAnswer | null): AnswerShape {
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
  const withCalls = (reason: FinishReason) => (reason === 'stop' && tools?.hasCalls() === true ? 'tool_calls' : reason)
  return {
    opening: (promptIds) => [
      {
        ...chunk({ delta: { role: 'assistant', content: '' } }),
        ...(promptIds && { prompt_token_ids: promptIds }),
      },
    ],
    piece(text, ids) {
      const delta = tools === null ? { content: text } : tools.push(text)
      return delta === null && ids === undefined ? null : chunk({ delta: delta ?? {}, ...(ids && { token_ids: ids }) })
    },
    closing(reason) {
      const delta = tools?.end() ?? {}
      return chunk({ delta, finish_reason: withCalls(reason) })
    },
    usage: (usage) => ({ ...head, object: 'chat.completion.chunk', choices: [], usage }),
    whole: ({ text, reason, usage, ids, promptIds }) => ({
      ...head,
      object: 'chat.completion',
      choices: [
        {
          index: 0,
          message: {
            role: 'assistant',
            ...(tools === null ? { content: text } : toolMessage(tools, text)),
            refusal: null,
          },
          logprobs: null,
          finish_reason: withCalls(reason),
          ...(ids && { token_ids: ids }),
        },
      ],
      usage,
      ...(promptIds && { prompt_token_ids: promptIds }),
    }),
  }
}
