/** What callers ask for in bench:edge, and what the right answer is. */

export type Scenario = {
  name: 'json' | 'stream' | 'paced'
  title: string
  connections: readonly number[]
  body: string
}

export type Cell = { scenario: Scenario; connections: number }

export const MODEL = 'bench-model'
export const EVENTS = 64
/** Between the events of a paced stream: a model at 500 tokens/s, so that a cell of a few seconds holds enough streams. */
export const PACE_US = 2_000
const BODY_BYTES = 1_024

/** What upstream.c and upstream.ts say, whole. */
export const ANSWER = Array.from({ length: EVENTS }, (_, index) => `token${String(index).padStart(4, '0')} `).join('')

export const SCENARIOS: readonly Scenario[] = [
  { name: 'json', title: 'JSON', connections: [1, 16, 64], body: requestBody({}) },
  {
    name: 'stream',
    title: `stream of ${EVENTS} events at once`,
    connections: [1, 16, 64],
    body: requestBody({ stream: true }),
  },
  {
    name: 'paced',
    title: `stream of ${EVENTS} events, one every ${PACE_US / 1_000} ms`,
    connections: [16],
    body: requestBody({ stream: true, user: 'paced' }),
  },
]

export function cellsOf(scenarios: readonly Scenario[]): Cell[] {
  return scenarios.flatMap((scenario) => scenario.connections.map((connections) => ({ scenario, connections })))
}

/** A chat request of exactly BODY_BYTES bytes: what a short conversation weighs. */
function requestBody(fields: Record<string, unknown>): string {
  const withText = (text: string) =>
    JSON.stringify({ model: MODEL, messages: [{ role: 'user', content: text }], max_tokens: EVENTS, ...fields })
  const filler = 'Which of these sentences is the longest, and why? '.repeat(30)
  return withText(filler.slice(0, BODY_BYTES - withText('').length))
}

/** Why `text` is not the whole right answer to the scenario, or undefined when it is. */
export function wrongAnswer(scenario: Scenario, status: number, text: string): string | undefined {
  if (status !== 200) return `status ${status}: ${text.slice(0, 300)}`
  if (scenario.name === 'json') {
    const said = contentOf(JSON.parse(text), 'message')
    return said === ANSWER ? undefined : `another answer: ${text.slice(0, 300)}`
  }
  const data = [...text.matchAll(/^data: ?(.*)$/gm)].map((match) => match[1] ?? '')
  if (data.at(-1) !== '[DONE]') return `no [DONE]: ...${text.slice(-300)}`
  const said = data.slice(0, -1).map((event) => contentOf(JSON.parse(event), 'delta'))
  return said.join('') === ANSWER ? undefined : `another answer: ${text.slice(0, 300)}`
}

function contentOf(value: unknown, field: 'message' | 'delta'): string {
  // A cast, because every level is optional and anything else simply yields no text.
  const answer = value as { choices?: { message?: { content?: string }; delta?: { content?: string } }[] }
  return answer.choices?.[0]?.[field]?.content ?? ''
}
