/** An answer whose deployment dies: who goes on, what the caller gets, what it costs. */
import { describe, expect, test } from 'vitest'
import { assembleChat } from '../../../src/chat/assemble.ts'
import type { Deployment, ModelEvent, ModelEventStream, ModelRequest } from '../../../src/chat/ports.ts'
import type { ChatChunk, ChatRequest, TextResponse, Usage } from '../../../src/contract/chat-completion.ts'
import type { Continuation } from '../../../src/contract/continuation.ts'
import type { AppError, ErrorCode } from '../../../src/errors.ts'
import { CALL, type Script, scriptedWorld, type World } from './scripted-deployments.ts'

type Piece = Partial<ChatChunk['choices'][number]>

function chunk(pieces: Piece | Piece[], more: Partial<ChatChunk> = {}): ChatChunk {
  const choices = (Array.isArray(pieces) ? pieces : [pieces]).map((piece) => ({
    ...{ index: 0, delta: {}, finish_reason: null },
    ...piece,
  }))
  return { id: 'first', object: 'chat.completion.chunk', created: 1, model: 'm-1', choices, ...more }
}
const ROLE = chunk({ delta: { role: 'assistant', content: '' } }, { prompt_token_ids: [1, 2, 3] })
const says = (content: string, ids?: number[], index = 0) =>
  chunk({ index, delta: { content }, ...(ids ? { token_ids: ids } : {}) })
const stop = (index = 0) => chunk({ index, finish_reason: 'stop' })
const usageOf = (prompt: number, completion: number): Usage => ({
  prompt_tokens: prompt,
  completion_tokens: completion,
  total_tokens: prompt + completion,
})
const usage = (prompt: number, completion: number) => chunk([], { usage: usageOf(prompt, completion) })
/** As another server says it. */
const other = (events: ModelEvent[], model = 'm-1'): ModelEvent[] =>
  events.map((event) => ({ ...event, id: 'second', created: 2, model }))

const body = (given: Partial<ChatRequest> = {}): { request: ModelRequest } => ({
  request: { kind: 'chat', body: { model: 'm', messages: [{ role: 'user', content: 'Hi' }], stream: true, ...given } },
})

/** The first dies after these; the second does as written. */
function pair(
  first: readonly ModelEvent[],
  second: readonly Script[],
  given: Partial<Deployment> & { dies?: ErrorCode } = {},
): { world: World; list: Deployment[] } {
  const world = scriptedWorld()
  const { dies = 'upstream_interrupted', ...of } = given
  const a = world.deployment('a', [{ says: first, dies }])
  return { world, list: [a, world.deployment('b', second, of)] }
}

async function read(events: ModelEventStream): Promise<{ events: ModelEvent[]; failed?: AppError }> {
  const seen: ModelEvent[] = []
  try {
    for await (const batch of events) seen.push(...batch)
  } catch (thrown) {
    return { events: seen, failed: thrown as AppError }
  }
  return { events: seen }
}

type Choice = ModelEvent['choices'][number]
const choicesOf = (events: readonly ModelEvent[]): Choice[] => events.flatMap(({ choices }): Choice[] => choices)

function textOf(events: readonly ModelEvent[], index = 0): string {
  return choicesOf(events)
    .filter((choice) => choice.index === index)
    .map((choice) => ('text' in choice ? choice.text : (choice.delta.content ?? '')))
    .join('')
}
const idsOf = (events: readonly ModelEvent[]) => choicesOf(events).flatMap((c) => c.token_ids ?? [])
const lastChoice = (events: readonly ModelEvent[]) => choicesOf(events).at(-1)
const only = (...continuation: Continuation[]) => ({ continuation })

describe('by token ids', () => {
  const FIRST = [ROLE, says('Once', [10]), says(' upon', [11])]
  const REST = other([ROLE, says(' a', [12]), says(' time', [13]), stop(), usage(3, 5)])

  test('the answer goes on from its tokens, and is one answer', async () => {
    const { world, list } = pair(FIRST, [{ says: REST }], only('token_ids'))
    const { events, attempts } = await world.ask(list, { seed: 77 })
    const seen = await read(events)
    expect(seen.failed).toBeUndefined()
    expect(textOf(seen.events)).toBe('Once upon a time')
    expect(idsOf(seen.events)).toEqual([10, 11, 12, 13])
    expect(new Set(seen.events.map(({ id, created }) => `${id} ${created}`))).toEqual(new Set(['first 1']))
    expect(seen.events.filter((event) => 'prompt_token_ids' in event)).toHaveLength(1)
    expect(seen.events.filter(({ choices }) => choices.some((c) => 'delta' in c && 'role' in c.delta))).toHaveLength(1)
    expect(seen.events.map(({ usage: told }) => told).filter(Boolean)).toEqual([usageOf(3, 5)])
    expect(lastChoice(seen.events)).toMatchObject({
      finish_reason: 'stop',
      perigee: { joined: [{ from: 'a', to: 'b', by: 'token_ids' }] },
    })
    expect(world.calls[1]?.call).toMatchObject({
      seed: 77,
      continueFrom: { prompt_token_ids: [1, 2, 3], output_token_ids: [10, 11], sent_chars: 9 },
    })
    expect(attempts).toMatchObject([
      { kind: 'first', code: 'upstream_interrupted' },
      { kind: 'continuation', by: 'token_ids' },
    ])
    expect(world.ended).toEqual(['a upstream_interrupted', 'b ok'])
    expect([world.placesOf('a').open, world.placesOf('b').open]).toEqual([0, 0])
  })

  test('inside a tool call the name and the arguments count as sent', async () => {
    const call = (called: object, ids: number[]) =>
      chunk({ delta: { tool_calls: [{ index: 0, ...called }] }, token_ids: ids })
    const first = [
      ROLE,
      call({ id: 'c1', function: { name: 'look', arguments: '' } }, [10]),
      call({ function: { arguments: '{"a' } }, [11]),
    ]
    const rest = [call({ function: { arguments: '":1}' } }, [12]), chunk({ finish_reason: 'tool_calls' }), usage(3, 3)]
    const { world, list } = pair(first, [{ says: other(rest) }], only('token_ids'))
    const { events } = await world.ask(list, body({ tools: [{ type: 'function' }], tool_choice: 'required' }))
    const { choices } = await assembleChat(events, { tokenIds: false })
    expect(choices[0]?.message.tool_calls).toEqual([{ id: 'c1', function: { name: 'look', arguments: '{"a":1}' } }])
    expect(choices[0]).toMatchObject({ finish_reason: 'tool_calls', perigee: { joined: [{ by: 'token_ids' }] } })
    expect(world.calls[1]?.call.continueFrom?.sent_chars).toBe(7)
  })

  test('it is not asked of another model, whose ids are others', async () => {
    const { world, list } = pair(FIRST, [{ says: REST }], { ...only('token_ids'), model: 'm-2' })
    const seen = await read((await world.ask(list)).events)
    expect(seen.failed?.code).toBe('upstream_interrupted')
    expect(world.calls).toHaveLength(1)
  })

  test('it is not asked where some ids are not known', async () => {
    const { world, list } = pair([...FIRST, says(' silently')], [{ says: REST }], only('token_ids'))
    expect((await read((await world.ask(list)).events)).failed?.code).toBe('upstream_interrupted')
  })

  test('a second death is gone on from, too', async () => {
    const world = scriptedWorld()
    const list = [
      world.deployment('a', [{ says: FIRST, dies: 'upstream_timeout' }]),
      world.deployment('b', [{ says: REST.slice(0, 2), dies: 'upstream_interrupted' }], only('token_ids')),
      world.deployment('c', [{ says: other([says(' time', [13]), stop(), usage(3, 5)]) }], only('token_ids')),
    ]
    const seen = await read((await world.ask(list)).events)
    expect(textOf(seen.events)).toBe('Once upon a time')
    expect(world.calls[2]?.call.continueFrom?.output_token_ids).toEqual([10, 11, 12])
    expect(lastChoice(seen.events)?.perigee?.joined?.map(({ from, to }) => from + to)).toEqual(['ab', 'bc'])
  })

  test('each choice that is left goes on by a call of its own, told which it was', async () => {
    const first = [ROLE, says('A', [10], 0), says('X', [20], 1)]
    const scripts: Script[] = [
      { says: other([ROLE, says('B', [11]), stop(), usage(3, 2)]) },
      { says: other([ROLE, says('Y', [21]), says('Z', [22]), stop(), usage(3, 3)]) },
    ]
    const { world, list } = pair(first, scripts, only('token_ids'))
    const seen = await read((await world.ask(list, body({ n: 2 }))).events)
    expect([textOf(seen.events, 0), textOf(seen.events, 1)]).toEqual(['AB', 'XYZ'])
    expect(world.calls.map(({ call }) => [call.request.body.n, call.continueFrom?.choice])).toEqual([
      [2, undefined],
      [1, undefined],
      [1, 1],
    ])
    expect(seen.events.at(-1)?.usage).toEqual(usageOf(3, 5))
    const ends = choicesOf(seen.events).filter(({ finish_reason }) => finish_reason)
    expect(ends.map(({ index, perigee }) => [index, perigee?.joined])).toEqual([
      [0, [{ from: 'a', to: 'b', by: 'token_ids' }]],
      [1, [{ from: 'a', to: 'b', by: 'token_ids' }]],
    ])
  })

  test('a choice that was finished is left alone', async () => {
    const first = [ROLE, says('A', [10], 0), stop(0), says('X', [20], 1)]
    const { world, list } = pair(first, [{ says: other([says('Y', [21]), stop(), usage(3, 2)]) }], only('token_ids'))
    const seen = await read((await world.ask(list, body({ n: 2 }))).events)
    expect([textOf(seen.events, 0), textOf(seen.events, 1)]).toEqual(['A', 'XY'])
    expect(world.calls).toHaveLength(2)
    expect(seen.events.at(-1)?.usage).toEqual(usageOf(3, 3))
  })
})

describe('as an open assistant message', () => {
  test('the answer goes on behind its words, with what is left of its tokens', async () => {
    const rest = other([ROLE, says(' a time'), stop(), usage(20, 2)], 'm-2')
    const { world, list } = pair([ROLE, says('Once'), says(' upon')], [{ says: rest }], {
      ...only('assistant'),
      model: 'm-2',
    })
    const seen = await read((await world.ask(list, body({ max_tokens: 10, min_tokens: 1 }))).events)
    expect(textOf(seen.events)).toBe('Once upon a time')
    expect(seen.events.map(({ model }) => model)).toContain('m-2')
    expect(world.calls[1]?.call.request.body).toMatchObject({
      messages: [
        { role: 'user', content: 'Hi' },
        { role: 'assistant', content: 'Once upon' },
      ],
      continue_final_message: true,
      add_generation_prompt: false,
      max_tokens: 7,
      min_tokens: 0,
    })
    // Three for "Once upon" by its characters, two that were reported; the first prompt, once.
    expect(seen.events.at(-1)?.usage).toEqual(usageOf(3, 5))
  })

  test('a text completion goes on behind its prompt', async () => {
    const text = (said: string, finish_reason: 'stop' | null = null): TextResponse => ({
      ...{ id: 't', object: 'text_completion', created: 1, model: 'm-1' },
      choices: [{ index: 0, text: said, finish_reason, logprobs: null }],
    })
    const { world, list } = pair([text('Once')], [{ says: [text(' upon'), text('', 'stop')] }], only('instruct'))
    const request: ModelRequest = { kind: 'text', body: { model: 'm', prompt: 'Tell: ', max_tokens: 5 } }
    const seen = await read((await world.ask(list, { request })).events)
    expect(textOf(seen.events)).toBe('Once upon')
    expect(world.calls[1]?.call.request.body).toMatchObject({ prompt: 'Tell: Once', max_tokens: 4 })
  })
})

describe('by a turn that asks to go on', () => {
  const FIRST = [ROLE, says('It was the best of'), says(' times, it was the wor')]

  async function goneOn(pieces: string[], first = FIRST, given: Partial<ChatRequest> = {}) {
    const rest = other([ROLE, ...pieces.map((piece) => says(piece, [5])), stop(), usage(90, 9)])
    const { world, list } = pair(first, [{ says: rest }], only('instruct'))
    const seen = await read((await world.ask(list, body(given))).events)
    return { ...seen, world }
  }

  test('the turn quotes the end and names the last word', async () => {
    const { world } = await goneOn(['worst of times'])
    const messages = world.calls[1]?.call.request.body.messages as { role: string; content: string }[]
    expect(messages.map(({ role }) => role)).toEqual(['user', 'assistant', 'user'])
    expect(messages[1]?.content).toBe('It was the best of times, it was the wor')
    expect(messages[2]?.content).toContain('begin with "wor"')
  })

  test.each<[string, string[]]>([
    ['of the last word', ['wo', 'rst', ' of times']],
    ['of the last word, character by character', [...'worst of times']],
    ['of more than that', ['it was the', ' worst of times']],
    ['of all of it', ['It was the best of times', ', it was the worst of times']],
    ['behind white space, with a capital', [' Wor', 'st of times']],
  ])('a repetition %s is left out', async (_, pieces) => {
    const { events } = await goneOn(pieces)
    expect(textOf(events)).toBe('It was the best of times, it was the worst of times')
  })

  test('what is no repetition comes at once and whole', async () => {
    const { events } = await goneOn(['xyz', ' of times'])
    expect(textOf(events)).toBe('It was the best of times, it was the wor xyz of times')
    const after = events.filter(({ choices }) => choices.some((c) => 'delta' in c && c.delta.content?.includes('xyz')))
    expect(after).toHaveLength(1)
  })

  test('two words do not grow together, and a mark stays at its word', async () => {
    expect(textOf((await goneOn(['mat.'], [ROLE, says('on the')])).events)).toBe('on the mat.')
    expect(textOf((await goneOn([', then'], [ROLE, says('on the mat')])).events)).toBe('on the mat, then')
    expect(textOf((await goneOn(['语言'], [ROLE, says('编程')])).events)).toBe('编程语言')
  })

  test('a held end is said when the model stops there', async () => {
    expect(textOf((await goneOn(['was'])).events)).toBe('It was the best of times, it was the wor was')
  })

  test('its ids are not mixed with the first’s, and the first prompt is billed, once', async () => {
    const { events } = await goneOn(['wor', 'st'])
    expect(idsOf(events)).toEqual([])
    // 41 characters are eleven tokens.
    expect(events.at(-1)?.usage).toEqual(usageOf(3, 10 + 9))
  })

  test('log-probabilities of what is left out are left out', async () => {
    const logged = (content: string) =>
      chunk({ delta: { content }, logprobs: { content: [{ token: content, logprob: -1 }] } })
    const rest = other([logged('wor'), logged('st'), logged(' of'), stop()])
    const { world, list } = pair([ROLE, logged('the wor')], [{ says: rest }], only('instruct'))
    const { choices } = await assembleChat((await world.ask(list, body({ logprobs: true }))).events, {
      tokenIds: false,
    })
    expect(choices[0]?.message.content).toBe('the worst of')
    expect(choices[0]?.logprobs).toEqual({
      content: ['the wor', 'st', ' of'].map((token) => ({ token, logprob: -1 })),
    })
  })
})

describe('words alone', () => {
  test.each<[string, Partial<ChatRequest>, ModelEvent[]]>([
    ['JSON', { response_format: { type: 'json_object' } }, [says('{"a":')]],
    ['a forced tool', { tool_choice: 'required' }, [says('Hm')]],
    ['a guided answer', { guided_regex: 'a+' }, [says('aa')]],
    [
      'a tool call',
      {},
      [says('Hm'), chunk({ delta: { tool_calls: [{ index: 0, function: { name: 'f', arguments: '{' } }] } })],
    ],
    ['reasoning', {}, [says('Hm'), chunk({ delta: { reasoning_content: 'Hm' } })]],
  ])('cannot take up %s: the answer ends with an error', async (_, given, first) => {
    const { world, list } = pair([ROLE, ...first], [{ says: [stop()] }], only('assistant', 'instruct'))
    const seen = await read((await world.ask(list, body(given))).events)
    expect(seen.failed?.code).toBe('upstream_interrupted')
    expect(world.calls).toHaveLength(1)
  })
})

describe('where nothing was said', () => {
  test('the answer begins anew, under the id that the caller knows', async () => {
    const answer = other([ROLE, says('Hi', [10]), stop(), usage(3, 1)])
    const { world, list } = pair([ROLE], [{ says: answer }], only())
    const seen = await read((await world.ask(list)).events)
    expect(textOf(seen.events)).toBe('Hi')
    expect(seen.events.every(({ id }) => id === 'first')).toBe(true)
    expect(seen.events.at(-1)?.usage).toEqual(usageOf(3, 1))
    expect(lastChoice(seen.events)?.perigee).toBeUndefined()
    expect(world.calls[1]?.call.continueFrom).toBeUndefined()
  })

  test('of one choice, that one does, with a seed of its own', async () => {
    const { world, list } = pair(
      [ROLE, says('A', undefined, 0), stop(0)],
      [{ says: other([says('B'), stop()]) }],
      only(),
    )
    const seen = await read((await world.ask(list, { ...body({ n: 2 }), seed: 5 })).events)
    expect([textOf(seen.events, 0), textOf(seen.events, 1)]).toEqual(['A', 'B'])
    expect(world.calls[1]?.call).toMatchObject({ seed: 6, request: { body: { n: 1 } } })
  })
})

describe('a target that refuses', () => {
  const FIRST = [ROLE, says('Once', [10])]
  const refuses: Script = { fails: 'upstream_rejected' }

  test('one way is asked another', async () => {
    const scripts: Script[] = [refuses, refuses, { says: other([says('Once upon'), stop()]) }]
    const { world, list } = pair(FIRST, scripts, only('token_ids', 'assistant', 'instruct'))
    const seen = await read((await world.ask(list)).events)
    expect(textOf(seen.events)).toBe('Once upon')
    expect(lastChoice(seen.events)?.perigee?.joined).toEqual([{ from: 'a', to: 'b', by: 'instruct' }])
    expect(world.slept).toEqual([])
  })

  test('all ways is left for another, and the caller hears of the death only', async () => {
    const world = scriptedWorld()
    const list = [
      world.deployment('a', [{ says: FIRST, dies: 'upstream_timeout' }]),
      world.deployment('b', [refuses], only('token_ids')),
      world.deployment('c', [{ fails: 'upstream_misconfigured' }], only('instruct')),
    ]
    const seen = await read((await world.ask(list)).events)
    expect(textOf(seen.events)).toBe('Once')
    expect(seen.failed).toMatchObject({ code: 'upstream_timeout', message: 'It died.' })
    expect(world.calls.map(({ id }) => id)).toEqual(['a', 'b', 'c'])
  })
})

describe('nobody goes on', () => {
  const FIRST = [ROLE, says('Once', [10])]
  const REST: Script[] = [{ says: other([says(' upon', [11]), stop()]) }]

  test('in a way that the route does not allow', async () => {
    const { world, list } = pair(FIRST, REST, only('token_ids'))
    const seen = await read((await world.ask(list, {}, { continueBy: ['instruct'] })).events)
    expect(seen.failed?.code).toBe('upstream_interrupted')
    expect(world.calls).toHaveLength(1)
  })

  test('for a caller who is gone', async () => {
    const { world, list } = pair(FIRST, REST, { ...only('token_ids'), dies: 'caller_gone' })
    expect((await read((await world.ask(list)).events)).failed?.code).toBe('caller_gone')
    expect(world.calls).toHaveLength(1)
  })

  test('for a reader who leaves while the next one is asked: it is stopped, and its place is free', async () => {
    const { world, list } = pair(FIRST, REST, only('token_ids'))
    const asked = Promise.withResolvers<void>()
    const answers = Promise.withResolvers<void>()
    const [first, second] = list
    if (!first || !second) throw new Error('There are two.')
    const { open } = second.upstream
    const slow = {
      async open(...call: Parameters<typeof open>) {
        asked.resolve()
        await answers.promise
        return open(...call)
      },
    }
    const { events } = await world.ask([first, { ...second, upstream: slow }])
    const reader = events[Symbol.asyncIterator]()
    for (let at = 0; at < FIRST.length; at++) await reader.next()
    const pending = reader.next()
    await asked.promise
    await reader.return?.()
    answers.resolve()
    await expect(pending).rejects.toMatchObject({ code: 'caller_gone' })
    expect(world.placesOf('b')).toMatchObject({ open: 0, ends: ['caller_gone'] })
    // The dead one's, and that of the one that came too late.
    expect(world.returned()).toBe(2)
  })

  test('at the deployment that died', async () => {
    const world = scriptedWorld()
    const list = [
      world.deployment('a', [{ says: FIRST, dies: 'upstream_interrupted' }], only('token_ids')),
      world.deployment('b', [{ fails: 'upstream_timeout' }], only('token_ids')),
    ]
    expect((await read((await world.ask(list)).events)).failed?.code).toBe('upstream_interrupted')
    expect(world.calls.map(({ id }) => id)).toEqual(['a', 'b'])
  })

  test('more often than all calls of a request may be', async () => {
    const world = scriptedWorld()
    const ids = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']
    const list = ids.map((id, at) =>
      world.deployment(
        id,
        [{ says: [...(at === 0 ? [ROLE] : []), says(id, [at])], dies: 'upstream_interrupted' }],
        only('token_ids'),
      ),
    )
    const seen = await read((await world.ask(list)).events)
    expect(textOf(seen.events)).toBe('abcdef')
    expect(seen.failed?.code).toBe('upstream_interrupted')
  })
})

test('what comes is passed on as it comes, and what was passed on is never changed', async () => {
  const { world, list } = pair(
    [ROLE, says('Once')],
    [{ says: other([says('Once'), says(' upon'), says(' a'), stop()]) }],
    only('instruct'),
  )
  const { events } = await world.ask(list, CALL)
  const seen: string[] = []
  for await (const batch of events) seen.push(textOf(batch))
  expect(seen).toEqual(['', 'Once', ' upon', ' a', '', ''])
})
