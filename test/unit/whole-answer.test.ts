/** A remembered answer, rendered once: whoever asks gets what a model's own answer would have been rendered to. */
import { describe, expect, test } from 'vitest'
import { assembleChat, assembleText } from '../../src/chat/assemble.ts'
import type { ModelEvent, ModelEventStream } from '../../src/chat/ports.ts'
import { eventStream } from '../../src/http/render/event-stream.ts'
import { wholeAnswerText } from '../../src/http/render/whole-answer.ts'

const HEAD = { id: 'c-1', created: 1, model: 'm-1' }
const USAGE = { prompt_tokens: 2, completion_tokens: 1, total_tokens: 3 }
const chat = (fields: object) => ({ ...HEAD, object: 'chat.completion.chunk', choices: [], ...fields }) as ModelEvent
const text = (fields: object) => ({ ...HEAD, object: 'text_completion', choices: [], ...fields }) as ModelEvent

const CHAT = [
  chat({ prompt_token_ids: [1, 2], choices: [{ index: 0, delta: { role: 'assistant' }, finish_reason: null }] }),
  chat({ choices: [{ index: 0, delta: { content: 'Hé' }, finish_reason: 'stop', token_ids: [7] }] }),
  chat({ usage: USAGE }),
]
const TEXT = [
  text({
    choices: [
      { index: 0, text: 'Hé', finish_reason: 'stop', logprobs: null, token_ids: [7], prompt_token_ids: [1, 2] },
    ],
  }),
  text({ usage: USAGE }),
]

const VIEWS = [false, true].flatMap((usage) => [false, true].map((tokenIds) => ({ usage, tokenIds })))

async function* stream(events: readonly ModelEvent[]): ModelEventStream {
  yield events
}

describe.each([
  { kind: 'chat' as const, events: CHAT, assemble: assembleChat },
  { kind: 'text' as const, events: TEXT, assemble: assembleText },
])('of kind $kind', ({ kind, events, assemble }) => {
  test.each(VIEWS)('is what a caller who asks for %j gets of the model, however often', async (view) => {
    const json = JSON.stringify(await assemble(stream(events), view))
    const { body } = eventStream(stream(events), { view, requestId: 'r', hangUp: () => {} })
    const streamed = await new Response(body).text()
    expect(streamed.endsWith('data: [DONE]\n\n')).toBe(true)
    for (let round = 0; round < 2; round++) {
      expect(wholeAnswerText(events, { kind, isStream: false, view })).toBe(json)
      expect(wholeAnswerText(events, { kind, isStream: true, view })).toBe(streamed)
    }
  })
})
