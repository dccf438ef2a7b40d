/** What a model's stream must promise to be an answer, and how long anybody waits for it. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { AppError } from '../../src/errors.ts'
import type { ByteReader } from '../../src/upstream/byte-reader.ts'
import { deadline } from '../../src/upstream/deadline.ts'
import { modelStream } from '../../src/upstream/model-stream.ts'

const TIMEOUTS = {
  connect: 3_000,
  firstToken: 10_000,
  firstTokenWhileWaiting: 60_000,
  betweenTokens: 10_000,
  total: 300_000,
}

beforeEach(() => {
  vi.useFakeTimers({ now: 1_000_000 })
})
afterEach(() => {
  vi.useRealTimers()
})

const event = (choice: object, more: object = {}) =>
  `data: ${JSON.stringify({ choices: [{ index: 0, delta: {}, finish_reason: null, ...choice }], ...more })}\n\n`
const SAYS = event({ delta: { content: 'Grüße' } })
const STOP = event({ finish_reason: 'stop' })
const USAGE = 'data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}\n\n'
const DONE = 'data: [DONE]\n\n'

/** Every read gives the next of these: bytes, after so many milliseconds; the end; or a broken connection. */
type Read = string | Uint8Array | { afterMs: number; text: string } | 'ends' | 'breaks' | 'hangs'

function open(reads: readonly Read[], choices = 1) {
  let reason: AppError | undefined
  let fail: ((cause: unknown) => void) | undefined
  let closed = false
  let next = 0
  const bytes: ByteReader = {
    read: () =>
      new Promise((resolve, reject) => {
        fail = reject
        if (closed) return reject(new Error('aborted'))
        const read = reads[next++] ?? 'hangs'
        if (read === 'hangs') return
        if (read === 'ends') return resolve(undefined)
        if (read === 'breaks') return reject(new Error('reset'))
        if (read instanceof Uint8Array) return resolve(read)
        if (typeof read === 'string') return resolve(new TextEncoder().encode(read))
        setTimeout(() => resolve(new TextEncoder().encode(read.text)), read.afterMs)
      }),
  }
  const close = () => {
    closed = true
    fail?.(new Error('aborted'))
  }
  const limit = deadline({
    totalMs: TIMEOUTS.total,
    onExpire: () => {
      reason = new AppError('upstream_timeout', 'Too slow.')
      close()
    },
  })
  const release = () => limit.stop()
  const options = { bytes, gathering: undefined, timeouts: TIMEOUTS, choices, limit, close, release }
  const stream = modelStream({ ...options, reason: () => reason })
  return { stream, isClosed: () => closed }
}

/** The text, or the code of what it threw; and when. */
async function outcome(reads: readonly Read[], choices = 1) {
  const startedAt = Date.now()
  const { stream, isClosed } = open(reads, choices)
  const read = async () => {
    let text = ''
    try {
      for await (const batch of await stream) {
        for (const { choices: said } of batch) {
          for (const choice of said) if ('delta' in choice) text += choice.delta.content ?? ''
        }
      }
    } catch (thrown) {
      return { text, failed: thrown instanceof AppError ? thrown.code : thrown, ms: Date.now() - startedAt }
    }
    return { text, ms: Date.now() - startedAt }
  }
  const result = read()
  await vi.advanceTimersByTimeAsync(400_000)
  return { ...(await result), isClosed: isClosed() }
}

describe('a finish reason', () => {
  test.each<[string, Read[]]>([
    ['and nothing else', [SAYS, STOP, 'ends']],
    ['and a reset', [SAYS, STOP, 'breaks']],
    ['and something malformed', [SAYS, STOP, 'data: {\n\n', 'ends']],
    ['and an error', [SAYS, STOP, 'data: {"error":{"message":"late"}}\n\n', 'ends']],
    ['and usage without [DONE]', [SAYS, STOP, USAGE, 'ends']],
  ])('%s is a whole answer', async (_, reads) => {
    expect(await outcome(reads)).toMatchObject({ text: 'Grüße', ms: 0 })
  })

  test('is waited after for a second at most, and then the connection is given up', async () => {
    expect(await outcome([SAYS, STOP, 'hangs'])).toMatchObject({ text: 'Grüße', ms: 1_000, isClosed: true })
  })

  test('is waited after for a second at most, however much the server chatters', async () => {
    const chatter = Array.from({ length: 50 }, () => ({ afterMs: 300, text: USAGE }))
    expect(await outcome([SAYS, STOP, ...chatter])).toMatchObject({ text: 'Grüße', ms: 1_000, isClosed: true })
  })

  test('of one choice is none of the other’s', async () => {
    expect(await outcome([SAYS, STOP, DONE], 2)).toMatchObject({ failed: 'upstream_interrupted' })
  })
})

describe('no whole answer is', () => {
  test.each<[string, Read[]]>([
    ['an end without a finish reason', [SAYS, 'ends']],
    ['[DONE] without a finish reason', [SAYS, DONE]],
    ['a reset', [SAYS, 'breaks']],
    ['something malformed', [SAYS, 'data: {"choices":[{"index":0,"delta":{"content":"ta\n\n', SAYS, STOP, DONE]],
    ['an error event', [SAYS, 'data: {"error":{"message":"out of memory"}}\n\n', STOP, DONE]],
  ])('%s, and what came before it is delivered', async (_, reads) => {
    expect(await outcome(reads)).toMatchObject({ text: 'Grüße', failed: 'upstream_interrupted', isClosed: true })
  })
})

test('an event that is cut inside a character arrives whole', async () => {
  const bytes = new TextEncoder().encode(SAYS + STOP + DONE)
  for (let cut = 1; cut < bytes.length; cut++) {
    expect((await outcome([bytes.subarray(0, cut), bytes.subarray(cut)])).text, `cut at ${cut}`).toBe('Grüße')
  }
})

test('what cannot hold a token is skipped', async () => {
  const pings = 'data: {"type":"ping"}\n\ndata:\n\nevent: note\n\n'
  expect(await outcome([pings + SAYS + pings + STOP + DONE])).toMatchObject({ text: 'Grüße' })
})

describe('bytes that are no events do not move a time-out', () => {
  const trickle = (text: string) => Array.from({ length: 500 }, () => ({ afterMs: 1_000, text }))

  test.each<[string, string]>([
    ['of an event that never ends', 'x'],
    ['of pings', 'data: {"type":"ping"}\n\n'],
  ])('%s, before the first token', async (_, text) => {
    expect(await outcome(trickle(text))).toMatchObject({ failed: 'upstream_timeout', ms: 10_000 })
  })

  test.each<[string, string]>([
    ['of an event that never ends', 'x'],
    ['of pings', 'data: {"type":"ping"}\n\n'],
    ['of comments', ': waiting\n\n'],
  ])('%s, between tokens', async (_, text) => {
    expect(await outcome([SAYS, ...trickle(text)])).toMatchObject({
      text: 'Grüße',
      failed: 'upstream_timeout',
      ms: 10_000,
    })
  })

  test('of comments, before the first token, beyond what a waiting endpoint is given', async () => {
    expect(await outcome(trickle(': waiting\n\n'))).toMatchObject({ failed: 'upstream_timeout', ms: 60_000 })
  })
})
