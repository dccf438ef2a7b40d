/** Streams that are cut and go on at another server: whether the joined answer is the one that was never cut. */
import type { ShownTimings } from '../../../functions/inference/http/shown-timings.ts'
import { MODEL, post, readEvents } from '../http/real-server.ts'

export type Piece = {
  ids: number[]
  text: string
  /** Names and arguments of tool calls, as far as this event carries some. */
  calls: string
}
export type Streamed = {
  promptIds: number[]
  /** Of the prompt, from the cache. */
  cachedTokens: number
  pieces: Piece[]
  reason: string
  /** From the request to the first event with a token. */
  firstMs: number
  /** What the engine says that the first token waited for. */
  timings: ShownTimings | null
}

export type CutOutcome = {
  /** Tokens that the answer had when it was cut. */
  tokens: number
  isSame: boolean
  /** Tokens that the second server sent, and those that were left to draw. */
  drawn: number
  left: number
  /** From the second request to its first event with a token. */
  gapMs: number
  promptTokens: number
  cachedTokens: number
  timings: ShownTimings | null
}

type Choice = {
  delta: { content?: string | null; tool_calls?: { function?: { name?: string; arguments?: string } }[] }
  finish_reason: string | null
  token_ids?: number[]
}
type Event = {
  choices: Choice[]
  prompt_token_ids?: number[]
  usage?: { prompt_tokens_details?: { cached_tokens?: number } } | null
  perigee?: { timings: ShownTimings }
  error?: object
}

/** @param body of a chat completion without `model` and `stream` */
export async function streamAnswer(
  url: string,
  body: Record<string, unknown> & { perigee?: object },
): Promise<Streamed> {
  const started = performance.now()
  const response = await post(`${url}/v1/chat/completions`, {
    ...{ ...body, model: MODEL, stream: true, stream_options: { include_usage: true }, return_token_ids: true },
    perigee: { ...body.perigee, timings: true },
  })
  if (response.status !== 200) throw new Error(`status ${response.status}: ${await response.text()}`)
  const streamed: Streamed = {
    ...{ promptIds: [], cachedTokens: 0, pieces: [], reason: '', firstMs: Number.NaN, timings: null },
  }
  const { isDone } = await readEvents(response, (event) => {
    // Sound: these are the fields that the server documents; a missing one shows as a difference.
    const { choices, prompt_token_ids, usage, perigee, error } = event as Event
    if (error) throw new Error(JSON.stringify(error))
    if (prompt_token_ids) streamed.promptIds = prompt_token_ids
    streamed.cachedTokens = usage?.prompt_tokens_details?.cached_tokens ?? streamed.cachedTokens
    streamed.timings = perigee?.timings ?? streamed.timings
    for (const { delta, finish_reason, token_ids = [] } of choices) {
      const told = (delta.tool_calls ?? []).map(
        (call) => `${call.function?.name ?? ''}${call.function?.arguments ?? ''}`,
      )
      streamed.pieces.push({ ids: token_ids, text: delta.content ?? '', calls: told.join('') })
      if (token_ids.length > 0 && Number.isNaN(streamed.firstMs)) streamed.firstMs = performance.now() - started
      streamed.reason = finish_reason ?? streamed.reason
    }
  })
  if (!isDone) throw new Error('The stream was not complete.')
  return streamed
}

export const joined = (pieces: readonly Piece[]) => ({
  ids: pieces.flatMap(({ ids }) => ids),
  text: pieces.map(({ text }) => text).join(''),
  calls: pieces.map(({ calls }) => calls).join(''),
})

/** Continues at `url` what `whole` was after so many events, and compares. */
export async function continueAfter(
  url: string,
  body: Record<string, unknown>,
  whole: Streamed,
  events: number,
): Promise<CutOutcome> {
  const before = joined(whole.pieces.slice(0, events))
  const rest = await streamAnswer(url, {
    ...body,
    perigee: {
      continue: {
        prompt_token_ids: whole.promptIds,
        output_token_ids: before.ids,
        sent_chars: before.text.length + before.calls.length,
      },
    },
  })
  const all = joined(whole.pieces)
  const after = joined(rest.pieces)
  return {
    tokens: before.ids.length,
    isSame:
      before.text + after.text === all.text &&
      before.calls + after.calls === all.calls &&
      [...before.ids, ...after.ids].join() === all.ids.join() &&
      rest.reason === whole.reason,
    drawn: after.ids.length,
    left: all.ids.length - before.ids.length,
    gapMs: rest.firstMs,
    promptTokens: whole.promptIds.length,
    cachedTokens: rest.cachedTokens,
    timings: rest.timings,
  }
}
