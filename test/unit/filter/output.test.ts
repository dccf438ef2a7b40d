/** Answers event by event: what goes out unchanged, what is masked, what must not tell of it, and how a rule ends an answer. */
import { describe, expect, test, vi } from 'vitest'
import { assembleChat } from '../../../src/chat/assemble.ts'
import type { ModelEvent, ModelEventStream } from '../../../src/chat/ports.ts'
import type { ChatChunk, ChatChunkChoice, TextResponse } from '../../../src/contract/chat-completion.ts'
import type { FilterFlag } from '../../../src/contract/filter-rules.ts'
import { contentFilter } from '../../../src/filter/tenant-filters.ts'
import { compiled, type Rule } from './rules.ts'

function chunk(choices: Partial<ChatChunkChoice>[], more: Partial<ChatChunk> = {}): ChatChunk {
  return {
    id: 'chatcmpl-1',
    object: 'chat.completion.chunk',
    created: 1,
    model: 'm',
    choices: choices.map((choice) => ({ index: 0, delta: {}, finish_reason: null, ...choice })),
    ...more,
  }
}

const say = (content: string, more: Partial<ChatChunkChoice> = {}) => chunk([{ delta: { content }, ...more }])
const STOP = chunk([{ finish_reason: 'stop' }])
const USAGE = chunk([], { usage: { prompt_tokens: 5, completion_tokens: 2, total_tokens: 7 } })

function source(...events: ModelEvent[]) {
  const left = [...events]
  const returned = vi.fn()
  const stream: ModelEventStream = {
    [Symbol.asyncIterator]: () => ({
      async next() {
        const event = left.shift()
        return event ? { done: false, value: [event] } : { done: true, value: undefined }
      },
      async return() {
        returned()
        return { done: true, value: undefined }
      },
    }),
  }
  return { stream, returned, left }
}

async function run(rules: readonly Rule[], events: readonly ModelEvent[], flags: readonly FilterFlag[] = []) {
  const from = source(...events)
  const blocked = vi.fn()
  const output = compiled(...rules)
  const out: ModelEvent[] = []
  const filter = contentFilter({ input: undefined, output })
  for await (const batch of filter.output(from.stream, blocked, flags)) out.push(...batch)
  // However the events come, what goes out is the same.
  const whole = filter.outputWhole(events, flags)
  expect(whole).toEqual({ events: out, isBlocked: blocked.mock.calls.length > 0 })
  return { out, blocked, ...from }
}

const choicesOf = (events: readonly ModelEvent[]) => events.flatMap((event) => event.choices as ChatChunkChoice[])
const said = (events: readonly ModelEvent[], index = 0) =>
  choicesOf(events)
    .filter((choice) => choice.index === index)
    .map((choice) => choice.delta.content ?? '')
    .join('')

const ASS: Rule = { name: 'swear', words: ['ass', 'kill yourself'] }

describe('an answer', () => {
  test('in which nothing is found has the very same events', async () => {
    const events = [say('', { delta: { role: 'assistant', content: '' } }), say('Hello'), say(' world.'), STOP, USAGE]
    const { out } = await run([ASS], events)
    expect(out.map((event, index) => event === events[index])).toEqual([true, true, true, true, true])
  })

  test('is masked over the cuts of its events, and says so where the choice ends', async () => {
    const { out, blocked } = await run(
      [ASS],
      [say('You a'), say('s'), say('s'), say(', kill'), say(' yourself'), STOP, USAGE],
    )
    expect(said(out)).toBe('You ***, *************')
    expect(choicesOf(out).at(-1)).toMatchObject({
      finish_reason: 'stop',
      perigee: { flags: [{ rule: 'swear', action: 'mask', on: 'output', count: 2 }] },
    })
    expect(out.at(-1)).toBe(USAGE)
    expect(blocked).not.toHaveBeenCalled()
  })

  test('that ends in the middle of what may be forbidden is sent to its end', async () => {
    const { out } = await run([ASS], [say('He says: kill'), STOP])
    expect(said(out)).toBe('He says: kill')
    expect(choicesOf(out).at(-1)).not.toHaveProperty('perigee')
  })

  test('has its choices apart: halves of a word in two of them are no word', async () => {
    const { out } = await run(
      [ASS],
      [
        chunk([{ delta: { content: 'a' } }, { index: 1, delta: { content: 'ss' } }]),
        chunk([{ delta: { content: 'ss' } }, { index: 1, delta: { content: 'a' } }]),
        chunk([{ finish_reason: 'stop' }, { index: 1, finish_reason: 'length' }]),
      ],
    )
    expect([said(out, 0), said(out, 1)]).toEqual(['***', 'ssa'])
  })

  test('is filtered in its reasoning, its refusal, and whatever other text it has; what is no text does not pass', async () => {
    const delta = { reasoning_content: 'ass', refusal: 'ass', poem: 'ass', reasoning_details: [{ text: 'ass' }], n: 1 }
    const { out } = await run([ASS], [chunk([{ delta }]), STOP])
    const { message } = (await assembleChat(source(...out).stream, { tokenIds: false })).choices[0] ?? {}
    expect(message).toEqual({
      role: 'assistant',
      content: null,
      refusal: '***',
      reasoning_content: '***',
      poem: '***',
      n: 1,
    })
  })

  test('is filtered in the arguments of each tool call, which stay JSON', async () => {
    const call = (index: number, args: string) => ({ tool_calls: [{ index, function: { arguments: args } }] })
    const { out } = await run(
      [ASS],
      [
        chunk([
          { delta: { tool_calls: [{ index: 0, id: 'a', type: 'function', function: { name: 'f', arguments: '' } }] } },
        ]),
        chunk([{ delta: call(0, '{"q":"\\u00') }]),
        chunk([{ delta: call(1, '{"q":"as') }]),
        chunk([{ delta: call(0, '61s') }]),
        chunk([{ delta: call(0, 's"}') }]),
        chunk([{ delta: call(1, 'king"}') }]),
        chunk([{ finish_reason: 'tool_calls' }]),
      ],
    )
    const { message } = (await assembleChat(source(...out).stream, { tokenIds: false })).choices[0] ?? {}
    expect(message?.tool_calls).toEqual([
      { id: 'a', type: 'function', function: { name: 'f', arguments: '{"q":"***"}' } },
      { function: { arguments: '{"q":"asking"}' } },
    ])
  })

  test('of a text completion is filtered, too', async () => {
    const piece = (text: string, reason: 'stop' | null = null): TextResponse => ({
      id: 'cmpl-1',
      object: 'text_completion',
      created: 1,
      model: 'm',
      choices: [{ index: 0, text, finish_reason: reason, logprobs: null }],
    })
    const { out } = await run([ASS], [piece('an as'), piece('s, kill'), piece('', 'stop')])
    expect(out.flatMap((event) => event.choices.map((choice) => ('text' in choice ? choice.text : ''))).join('')).toBe(
      'an ***, kill',
    )
  })
})

describe('token ids and log probabilities', () => {
  const events = (word: string) => [
    chunk([{ delta: { role: 'assistant', content: '' } }], { prompt_token_ids: [1, 2] }),
    say('an ', { token_ids: [7], logprobs: { content: [{ token: 'an ', logprob: -1 }] } }),
    say(word, { token_ids: [8, 9], logprobs: { content: [{ token: word, logprob: -2 }] } }),
    STOP,
  ]

  test('come whole with the last event where nothing was masked', async () => {
    const { out } = await run([ASS], events('ear'))
    expect(choicesOf(out).flatMap((choice) => choice.token_ids ?? [])).toEqual([7, 8, 9])
    expect(choicesOf(out).at(-1)).toMatchObject({
      token_ids: [7, 8, 9],
      logprobs: {
        content: [
          { token: 'an ', logprob: -1 },
          { token: 'ear', logprob: -2 },
        ],
      },
    })
    expect(out[0]).toHaveProperty('prompt_token_ids', [1, 2])
  })

  test('never tell what was masked', async () => {
    const { out } = await run([ASS], events('ass'))
    expect(said(out)).toBe('an ***')
    expect(choicesOf(out).some((choice) => choice.token_ids || choice.logprobs)).toBe(false)
    expect(JSON.stringify(out)).not.toContain('ass"')
  })
})

describe('a rule that blocks', () => {
  const BLOCK: Rule = { name: 'bomb', words: ['bomb'], action: 'block' }

  test('ends the answer before the word, with content_filter for every choice, and stops the model', async () => {
    const { out, blocked, returned, left } = await run(
      [BLOCK],
      [
        chunk(
          [
            { delta: { content: 'One ' }, token_ids: [1] },
            { index: 1, delta: { content: 'Two' }, token_ids: [2] },
          ],
          {
            prompt_token_ids: [1, 2, 3],
          },
        ),
        say('makes a bo', { token_ids: [3] }),
        say('mb from'),
        say(' never asked for'),
        STOP,
      ],
    )
    expect([said(out, 0), said(out, 1)]).toEqual(['One makes a ', 'Two'])
    expect(
      choicesOf(out)
        .filter((choice) => choice.finish_reason)
        .map((choice) => [choice.index, choice.finish_reason]),
    ).toEqual([
      [0, 'content_filter'],
      [1, 'content_filter'],
    ])
    expect(out.at(-1)).toMatchObject({
      choices: [],
      usage: { prompt_tokens: 3, completion_tokens: 3, total_tokens: 6 },
    })
    expect(blocked).toHaveBeenCalledTimes(1)
    expect(blocked.mock.invocationCallOrder[0]).toBeLessThan(returned.mock.invocationCallOrder[0] ?? 0)
    expect(left).toHaveLength(2)
    expect(choicesOf(out).some((choice) => choice.token_ids)).toBe(false)
  })

  test('ends it also where only the end tells that the word is one', async () => {
    const { out, blocked } = await run([BLOCK], [say('a bomb'), STOP])
    expect(said(out)).toBe('a ')
    expect(choicesOf(out).at(-1)).toMatchObject({ finish_reason: 'content_filter' })
    expect(blocked).toHaveBeenCalledTimes(1)
  })
})

test('what the input filter found is told with each choice, also where no rule is for answers', async () => {
  const flags: FilterFlag[] = [{ rule: 'swear', action: 'mask', on: 'input', count: 1 }]
  const filter = contentFilter({ input: compiled(ASS), output: undefined })
  const out: ModelEvent[] = []
  for await (const batch of filter.output(source(say('ass'), STOP).stream, vi.fn(), flags)) out.push(...batch)
  expect(said(out)).toBe('ass')
  expect(choicesOf(out).at(-1)?.perigee).toEqual({ flags })
  expect(choicesOf((await run([ASS], [say('x'), STOP], flags)).out).at(-1)?.perigee).toEqual({ flags })
})

test('an answer that is there whole is filtered once, but for what each request adds', () => {
  const filter = contentFilter({ input: undefined, output: compiled(ASS) })
  const events = [say('ass'), STOP]
  const once = filter.outputWhole(events, [])
  expect(said(once.events)).toBe('***')
  expect(filter.outputWhole(events, [])).toBe(once)
  expect(filter.outputWhole([...events], [])).not.toBe(once)
  const flags: FilterFlag[] = [{ rule: 'swear', action: 'mask', on: 'input', count: 1 }]
  expect(choicesOf(filter.outputWhole(events, flags).events).at(-1)?.perigee?.flags).toHaveLength(2)
  expect(filter.outputWhole(events, [])).toBe(once)
  const flagsAlone = contentFilter({ input: compiled(ASS), output: undefined })
  expect(flagsAlone.outputWhole(events, []).events).toBe(events)
  expect(choicesOf(flagsAlone.outputWhole(events, flags).events).at(-1)?.perigee).toEqual({ flags })
})

test('a caller who leaves is told to the model, also while it is being waited for', async () => {
  const returned = vi.fn()
  const waiting: ModelEventStream = {
    [Symbol.asyncIterator]: () => ({
      next: () => new Promise(() => undefined),
      async return() {
        returned()
        return { done: true, value: undefined }
      },
    }),
  }
  const iterator = contentFilter({ input: undefined, output: compiled(ASS) })
    .output(waiting, vi.fn(), [])
    [Symbol.asyncIterator]()
  void iterator.next()
  await iterator.return?.()
  expect(returned).toHaveBeenCalledTimes(1)
})
