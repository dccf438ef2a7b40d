/** Answers in the shapes of OpenAI's chat completions, streamed and whole. */
import type { FinishReason } from '../../../src/contract/chat-completion.ts'
import { answerId } from './answer-id.ts'
import type { ChosenModel } from './choose-model.ts'
import type { AnswerShape } from './deliver-answer.ts'
import { chatLogprobs } from './logprobs.ts'
import type { Serving } from './serving.ts'
import { type ToolAnswer, toolMessage } from './tool-answer.ts'

/** @param openTools what finds calls in the text of a choice, where there are tools */
export function chatShape(
  { tokenizer }: Pick<Serving, 'tokenizer'>,
  { model, fingerprint }: ChosenModel,
  openTools?: (index: number) => ToolAnswer,
): AnswerShape {
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
    choice(index) {
      const tools = openTools?.(index) ?? null
      const withCalls = (reason: FinishReason) =>
        reason === 'stop' && tools?.hasCalls() === true ? 'tool_calls' : reason
      return {
        opening: (promptIds) => [
          {
            ...chunk(index, { delta: { role: 'assistant', content: '' } }),
            ...(promptIds && { prompt_token_ids: promptIds }),
          },
        ],
        piece({ text, ids, logged }) {
          const delta = tools === null ? { content: text } : tools.push(text)
          const isLogged = logged !== null && logged.length > 0
          if (delta === null && ids === undefined && !isLogged) return null
          return chunk(index, {
            delta: delta ?? {},
            ...(isLogged && { logprobs: chatLogprobs(tokenizer, logged) }),
            ...(ids && { token_ids: ids }),
          })
        },
        closing(reason) {
          const delta = tools?.end() ?? {}
          return chunk(index, { delta, finish_reason: withCalls(reason) })
        },
        whole({ text, reason, ids, logged }) {
          const said = tools === null ? { content: text } : toolMessage(tools, text)
          return {
            index,
            message: { role: 'assistant', ...said, refusal: null },
            logprobs: chatLogprobs(tokenizer, logged),
            finish_reason: withCalls(reason),
            ...(ids && { token_ids: ids }),
          }
        },
      }
    },
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
