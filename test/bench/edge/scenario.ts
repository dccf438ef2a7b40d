/** What callers ask for in bench:edge, and what the right answer is. */

export type Scenario = {
  name: 'json' | 'miss' | 'hit' | 'large' | 'stream' | 'long' | 'paced'
  title: string
  connections: readonly number[]
  /** Every COUNTER in it is another number in each request. */
  body: string
  /** The words that the right answer has. */
  words: number
  isStream: boolean
}

export type Cell = { scenario: Scenario; connections: number }

export const MODEL = 'bench-model'
export const EVENTS = 64
/** Between the events of a paced stream: a model at 500 tokens/s, so that a cell of a few seconds holds enough streams. */
export const PACE_US = 2_000
/** Of a long stream: the code of a page, or a chapter. */
export const LONG_EVENTS = 1_000
const BODY_BYTES = 1_024
/** A long agent's context in text. */
const LARGE_BODY_BYTES = 400_000
/** As long as the numbers that stand for it, which are counted up by the load generator. */
export const COUNTER = '@@@@@@@'

/** What upstream.c and upstream.ts say, whole. */
export const answerOf = (words: number) =>
  Array.from({ length: words }, (_, index) => `token${String(index).padStart(4, '0')} `).join('')

export const SCENARIOS: readonly Scenario[] = [
  json('json', 'JSON, sampled: neither cached nor joined', [16], requestBody({})),
  json(
    'miss',
    'JSON, temperature 0: the cache does not know it',
    [16],
    requestBody({ temperature: 0, stop: [COUNTER] }),
  ),
  json('hit', 'JSON, temperature 0: the cache knows it', [16], requestBody({ temperature: 0 })),
  json('large', `JSON, a body of ${LARGE_BODY_BYTES / 1_000} kB`, [16], requestBody({}, LARGE_BODY_BYTES)),
  stream('stream', `stream of ${EVENTS} events at once`, [1, 16, 64], EVENTS, {}),
  stream('long', `stream of ${LONG_EVENTS} events at once`, [16], LONG_EVENTS, { user: 'long' }),
  stream('paced', `stream of ${EVENTS} events, one every ${PACE_US / 1_000} ms`, [16], EVENTS, { user: 'paced' }),
]

function json(name: Scenario['name'], title: string, connections: readonly number[], body: string): Scenario {
  return { name, title, connections, body, words: EVENTS, isStream: false }
}

function stream(
  name: Scenario['name'],
  title: string,
  connections: readonly number[],
  words: number,
  fields: Record<string, unknown>,
): Scenario {
  return { name, title, connections, body: requestBody({ stream: true, ...fields }), words, isStream: true }
}

export function cellsOf(scenarios: readonly Scenario[]): Cell[] {
  return scenarios.flatMap((scenario) => scenario.connections.map((connections) => ({ scenario, connections })))
}

/** A chat request of exactly so many bytes; 1 kB is what a short conversation weighs. */
function requestBody(fields: Record<string, unknown>, bytes = BODY_BYTES): string {
  const withText = (text: string) =>
    JSON.stringify({ model: MODEL, messages: [{ role: 'user', content: text }], max_tokens: EVENTS, ...fields })
  const filler = 'Which of these sentences is the longest, and why? '.repeat(Math.ceil(bytes / 50))
  return withText(filler.slice(0, bytes - withText('').length))
}

/** Why `text` is not the whole right answer to the scenario, or undefined when it is. */
export function wrongAnswer(scenario: Scenario, status: number, text: string): string | undefined {
  if (status !== 200) return `status ${status}: ${text.slice(0, 300)}`
  const right = answerOf(scenario.words)
  if (!scenario.isStream) {
    const said = contentOf(JSON.parse(text), 'message')
    return said === right ? undefined : `another answer: ${text.slice(0, 300)}`
  }
  const data = [...text.matchAll(/^data: ?(.*)$/gm)].map((match) => match[1] ?? '')
  if (data.at(-1) !== '[DONE]') return `no [DONE]: ...${text.slice(-300)}`
  const said = data.slice(0, -1).map((event) => contentOf(JSON.parse(event), 'delta'))
  return said.join('') === right ? undefined : `another answer: ${text.slice(0, 300)}`
}

function contentOf(value: unknown, field: 'message' | 'delta'): string {
  // A cast, because every level is optional and anything else simply yields no text.
  const answer = value as { choices?: { message?: { content?: string }; delta?: { content?: string } }[] }
  return answer.choices?.[0]?.[field]?.content ?? ''
}
