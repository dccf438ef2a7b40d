/**
 * Requests that mean the same in other words, and requests that differ in one field: does the cache's key tell them apart? The table says
 * of each field which values mean the same (one group) and which do not; whatever the schemas have must be in it.
 */
import type { CacheQuestion, ModelRequest } from '../../../src/chat/ports.ts'
import { chatRequestSchema, textRequestSchema } from '../../../src/contract/chat-completion.ts'
import { deploymentOf, routeOf } from '../../support/routes.ts'
import type { Random } from '../../support/seeded-random.ts'

type Kind = ModelRequest['kind']
/** The first group is what leaving the field out means. */
type Groups = readonly (readonly unknown[])[]
const ABSENT = undefined
const none = [ABSENT, null]

const SHARED: Record<string, Groups> = {
  model: [['m']],
  stream: [[...none, true, false]],
  stream_options: [
    [...none, {}, { include_usage: true }],
    [{ continuous_usage_stats: true }, { include_usage: false, continuous_usage_stats: true }],
  ],
  temperature: [[...none, 1], [0], [0.5], [2]],
  top_p: [[...none, 1], [0.5], [0.25]],
  top_k: [none, [0, -1], [5], [50]],
  min_p: [none, [0], [0.1]],
  presence_penalty: [[...none, 0], [0.5], [-0.5]],
  frequency_penalty: [[...none, 0], [0.5], [-0.5]],
  repetition_penalty: [none, [1], [1.1]],
  min_tokens: [[...none, 0], [3], [4]],
  ignore_eos: [[...none, false], [true]],
  stop_token_ids: [[...none, []], [[1]], [[1, 2]], [[12]]],
  seed: [none, [0], [1], [-1], [9007199254740991], [9007199254740990]],
  stop: [[...none, []], ['a', ['a']], [['a', 'b']], [['ab']], [['b', 'a']], ['1:a']],
  n: [[...none, 1]],
  return_token_ids: [[...none, true, false]],
  user: [[...none, 'ada', 'bob']],
  metadata: [[...none, { a: '1' }]],
  logit_bias: [[...none, {}], [{ 5: 1, 7: -1 }], [{ 5: 1 }], [{ 5: -1 }]],
  unknown_to_us: [none, [1], ['1'], [true], [[1]], [{ a: 1, b: 2 }], [{ b: 2, a: 1 }], [{ a: { b: 1 } }], ['']],
}

/** At most one of them: beside each other they are two fields. */
const LENGTHS: Groups = [[...none], [7], [8]]

const schema = (...properties: string[]) => ({
  type: 'json_schema',
  json_schema: {
    name: 'n',
    strict: true,
    schema: { properties: Object.fromEntries(properties.map((name) => [name, {}])) },
  },
})

export const VALUES: Record<Kind, Record<string, Groups>> = {
  chat: {
    ...SHARED,
    messages: [
      [[{ role: 'user', content: 'Hi' }]],
      [[{ role: 'user', content: 'Hi ' }]],
      [[{ role: 'user', content: 'hi' }]],
      [[{ role: 'system', content: 'Hi' }]],
      [[{ role: 'user', content: 'Hi', name: 'ada' }]],
      [
        [
          { role: 'user', content: 'H' },
          { role: 'user', content: 'i' },
        ],
      ],
      [[{ role: 'user', content: [{ type: 'text', text: 'Hi' }] }]],
      [
        [
          {
            role: 'user',
            content: [
              { type: 'text', text: 'H' },
              { type: 'text', text: 'i' },
            ],
          },
        ],
      ],
      [[{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'a', detail: 'low' } }] }]],
      [[{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'a', detail: 'high' } }] }]],
      [[{ role: 'user', content: '\ud800' }]],
      [[{ role: 'user', content: '\ud801' }]],
      [[{ role: 'user', content: '\ufffd' }]],
      [[{ role: 'user', content: 'é' }]],
      [[{ role: 'user', content: 'e\u0301' }]],
      [
        [
          { role: 'user', content: 'Hi' },
          { role: 'assistant', content: null, tool_calls: [{ a: 1, b: 2 }] },
        ],
      ],
      [
        [
          { role: 'user', content: 'Hi' },
          { role: 'assistant', content: null, tool_calls: [{ b: 2, a: 1 }] },
        ],
      ],
    ],
    max_completion_tokens: LENGTHS,
    max_tokens: LENGTHS,
    logprobs: [[...none, false], [true]],
    top_logprobs: [[...none, 0], [1], [5]],
    add_generation_prompt: [[...none, true], [false]],
    continue_final_message: [[...none, false], [true]],
    response_format: [none, [{ type: 'json_object' }], [schema('a', 'b')], [schema('b', 'a')], [schema('a')]],
  },
  text: {
    ...SHARED,
    max_tokens: [none, [0], [7], [8]],
    logprobs: [none, [0], [1]],
    echo: [[...none, false], [true]],
    best_of: [[...none, 1]],
    prompt: [
      ['Hi', ['Hi']],
      ['hi'],
      [[1, 2]],
      [[12]],
      [[1, 2, 3]],
      ['1,2'],
      [Array.from({ length: 40 }, (_, id) => id)],
      [Array.from({ length: 41 }, (_, id) => id)],
    ],
  },
}

/** Where there is nothing to choose from, these play no part. */
const ONLY_WHEN_SAMPLED = new Set(['top_p', 'top_k', 'min_p'])

type Meaning = Record<string, number>
type KeyOf = (question: CacheQuestion) => string | undefined

export type FuzzResult = { keys: number; wrongHits: string[]; sameMeant: number; sameHit: number }

/** Random requests, each said again in other words, and each with every field changed in turn. Ends with the round of the first wrong hit. */
export function fuzzKeys(keyOf: KeyOf, random: Random, rounds: number): FuzzResult {
  const meaningOf = new Map<string, string>()
  const result: FuzzResult = { keys: 0, wrongHits: [], sameMeant: 0, sameHit: 0 }

  function key(kind: Kind, meaning: Meaning, place = 0): string {
    const body = said(kind, meaning, random)
    const found = keyOf({
      ...PLACES[place],
      request: parsed(kind, body),
      directive: { mode: 'default' },
    } as CacheQuestion)
    if (found === undefined) throw new Error('a request without a key')
    const means = `${place} ${kind} ${meantBy(kind, meaning)}`
    const before = meaningOf.get(found)
    if (before !== undefined && before !== means) result.wrongHits.push(`${before} = ${means}`)
    meaningOf.set(found, means)
    result.keys += 1
    return found
  }

  for (let round = 0; round < rounds && result.wrongHits.length === 0; round++) {
    const kind: Kind = random.chance(0.7) ? 'chat' : 'text'
    const groups = VALUES[kind]
    const meaning: Meaning = {}
    for (const [field, values] of Object.entries(groups)) {
      meaning[field] = random.chance(0.3) || field === 'messages' ? random.below(values.length) : 0
    }
    if (meaning.max_tokens && kind === 'chat') meaning.max_completion_tokens = 0
    const first = key(kind, meaning)
    result.sameMeant += 1
    if (key(kind, meaning) === first) result.sameHit += 1
    for (const [field, values] of Object.entries(groups)) {
      for (let group = 0; group < values.length; group++) {
        if (group !== meaning[field]) key(kind, { ...meaning, [field]: group })
      }
    }
    for (let place = 1; place < PLACES.length; place++) key(kind, meaning, place)
  }
  return result
}

const route = (...deployments: [id: string, model: string][]) =>
  routeOf(deployments.map(([id, model]) => deploymentOf({ id, model })))
const tenant = (tenantId: string) => ({ tenantId, keyId: 'k', scopes: [] })
const ROUTE = route(['d', 'm-1'])

/** Who asks, by which name, of which model: each another answer. */
const PLACES = [
  { principal: tenant('tnt_a'), alias: 'm', route: ROUTE },
  { principal: tenant('tnt_b'), alias: 'm', route: ROUTE },
  { principal: tenant('tnt_a'), alias: 'm2', route: ROUTE },
  { principal: tenant('tnt_a'), alias: 'm', route: route(['d', 'm-2']) },
  { principal: tenant('tnt_a'), alias: 'm', route: route(['e', 'm-1']) },
  { principal: tenant('tnt_a'), alias: 'm', route: route(['d', 'm-1'], ['e', 'm-2']) },
]

function meantBy(kind: Kind, meaning: Meaning): string {
  const isGreedy = VALUES[kind].temperature?.[meaning.temperature ?? 0]?.[0] === 0
  const counted = { ...meaning }
  if (isGreedy) for (const field of ONLY_WHEN_SAMPLED) counted[field] = 0
  if (kind === 'chat' && (counted.max_tokens ?? 0) > 0 && counted.max_completion_tokens === 0) {
    // The older name for the same.
    counted.max_completion_tokens = counted.max_tokens ?? 0
    counted.max_tokens = 0
  }
  return JSON.stringify(counted)
}

function said(kind: Kind, meaning: Meaning, random: Random): Record<string, unknown> {
  const body: [string, unknown][] = []
  for (const [field, groups] of Object.entries(VALUES[kind])) {
    const value = random.pick(groups[meaning[field] ?? 0] ?? [])
    if (value !== undefined) body.push([field, field === 'messages' ? shuffledMessages(value, random) : value])
  }
  return Object.fromEntries(shuffled(body, random))
}

/** As it arrives: as text, however indented, and through the schema of the route. */
function parsed(kind: Kind, body: object): ModelRequest {
  const value: unknown = JSON.parse(JSON.stringify(body, null, 2))
  return kind === 'chat'
    ? { kind, body: chatRequestSchema().parse(value) }
    : { kind, body: textRequestSchema().parse(value) }
}

function shuffledMessages(messages: unknown, random: Random): unknown {
  return (messages as object[]).map((message) => Object.fromEntries(shuffled(Object.entries(message), random)))
}

function shuffled<Item>(items: readonly Item[], random: Random): Item[] {
  const rest = [...items]
  return items.map(() => rest.splice(random.below(rest.length), 1)[0] as Item)
}
