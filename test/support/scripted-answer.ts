/** An answer that a test knows beforehand, token by token, and what a server says that begins it or goes on with it. */

/** One token: its id, and what it says. */
export type Token = { id: number; text: string }

export type AnswerKind = 'plain' | 'two' | 'tools' | 'logprobs'

/** Characters of one to four bytes, marks, numbers: whatever a boundary may cut. */
const WORDS = 'Grüße aus Zürich: 😀 the second word is naïve, costs 5 € and ends here.'
const OTHER_WORDS = 'Another answer begins otherwise — it has 東京 in it, and says: farewell.'
const ARGUMENTS = '{"city":"Zürich","days":[1,2,3],"note":"a \\"quoted\\" word"}'
export const TOOL = 'get_weather'

/** White space belongs to the token behind it, as in most vocabularies. */
const tokens = (text: string, firstId: number): Token[] =>
  (text.match(/\s?[^\s]{1,6}/gu) ?? []).map((piece, at) => ({ id: firstId + at, text: piece }))

export const TEXTS: Readonly<Record<AnswerKind, readonly string[]>> = {
  plain: [WORDS],
  two: [WORDS, OTHER_WORDS],
  tools: [ARGUMENTS],
  logprobs: [WORDS],
}

const SCRIPTS: Readonly<Record<AnswerKind, readonly (readonly Token[])[]>> = {
  plain: [tokens(WORDS, 100)],
  two: [tokens(WORDS, 100), tokens(OTHER_WORDS, 200)],
  tools: [tokens(ARGUMENTS, 300)],
  logprobs: [tokens(WORDS, 100)],
}

export const PROMPT_IDS = [1, 2, 3]

export type AnswerBody = {
  messages: { role: string; content: string }[]
  n?: number
  tools?: unknown
  logprobs?: boolean
  return_token_ids?: boolean
  continue_final_message?: boolean
  perigee?: { continue?: { output_token_ids: number[]; sent_chars: number; choice?: number } }
}

export function kindOf(body: Pick<AnswerBody, 'tools' | 'logprobs' | 'messages'>): AnswerKind {
  if (body.tools) return 'tools'
  if (body.logprobs) return 'logprobs'
  return body.messages.some(({ content }) => content.includes('kind=two')) ? 'two' : 'plain'
}

/** Tokens of all choices of a kind. */
export const tokensOfKind = (kind: AnswerKind): number => SCRIPTS[kind].reduce((sum, script) => sum + script.length, 0)

/** Texts of events, without `[DONE]`; undefined where the request to go on is wrong, which a server refuses. */
export function answerEvents(body: AnswerBody): string[] | undefined {
  const kind = kindOf(body)
  const scripts = SCRIPTS[kind]
  const goOn = body.perigee?.continue
  if (goOn) {
    const script = scripts[goOn.choice ?? 0] ?? []
    const before = script.slice(0, goOn.output_token_ids.length)
    const name = kind === 'tools' && before.length > 0 ? TOOL.length : 0
    const chars = name + before.reduce((sum, { text }) => sum + text.length, 0)
    const isSame = before.every(({ id }, at) => id === goOn.output_token_ids[at])
    if (!isSame || chars !== goOn.sent_chars) return undefined
    return eventsOf(kind, [script.slice(before.length)], { body, isBegun: before.length > 0, replayed: before.length })
  }
  const last = body.messages.at(-1)
  if (body.continue_final_message) return restOf(body, last?.content ?? '', '')
  const word = /begin with "([^"]+)"/.exec(last?.content ?? '')?.[1]
  if (word !== undefined) return restOf(body, body.messages.at(-2)?.content ?? '', word)
  return eventsOf(kind, scripts, { body, isBegun: false, replayed: 0 })
}

/** Goes on behind a text, after having said some of it again. */
function restOf(body: AnswerBody, said: string, again: string): string[] | undefined {
  const kind = kindOf(body)
  const whole = TEXTS[kind].find((text) => said !== '' && text.startsWith(said))
  if (whole === undefined || kind === 'tools') return undefined
  return eventsOf(kind, [tokens(again + whole.slice(said.length), 900)], { body, isBegun: true, replayed: 0 })
}

type How = { body: AnswerBody; isBegun: boolean; replayed: number }

function eventsOf(kind: AnswerKind, scripts: readonly (readonly Token[])[], how: How): string[] {
  const { body, isBegun, replayed } = how
  const ids = body.return_token_ids === true
  const event = (choice: object | undefined, more: object = {}) => {
    const choices = choice ? [{ index: 0, delta: {}, finish_reason: null, ...choice }] : []
    const head = { id: 'chatcmpl-m', object: 'chat.completion.chunk', created: 1_764_000_000, model: 'model' }
    return `data: ${JSON.stringify({ ...head, choices, ...more })}\n\n`
  }
  const events = scripts.map((_, index) =>
    event(
      { index, delta: { role: 'assistant', content: '' } },
      ids && index === 0 ? { prompt_token_ids: PROMPT_IDS } : {},
    ),
  )
  for (let at = 0; scripts.some((script) => at < script.length); at++) {
    for (const [index, script] of scripts.entries()) {
      const token = script[at]
      if (token)
        events.push(
          event({ index, ...said(kind, token, at === 0 && !isBegun), ...(ids ? { token_ids: [token.id] } : {}) }),
        )
    }
  }
  for (const index of scripts.keys()) {
    events.push(event({ index, finish_reason: kind === 'tools' ? 'tool_calls' : 'stop' }))
  }
  const completion = replayed + scripts.reduce((sum, script) => sum + script.length, 0)
  const usage = { prompt_tokens: 3, completion_tokens: completion, total_tokens: 3 + completion }
  return [...events, event(undefined, { usage })]
}

function said(kind: AnswerKind, { text }: Token, isFirst: boolean): object {
  if (kind === 'tools') {
    const call = isFirst
      ? { index: 0, id: 'call_1', type: 'function', function: { name: TOOL, arguments: text } }
      : { index: 0, function: { arguments: text } }
    return { delta: { tool_calls: [call] } }
  }
  const logprobs = { content: [{ token: text, logprob: -0.5, bytes: null, top_logprobs: [] }], refusal: null }
  return { delta: { content: text }, ...(kind === 'logprobs' ? { logprobs } : {}) }
}
