/** Time-outs, the loop over deployments, and what an endpoint's refusal becomes. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { ERRORS, type ErrorCode } from '../../src/errors.ts'
import { deadline } from '../../src/upstream/deadline.ts'
import { parseModelEvent } from '../../src/upstream/model-event.ts'
import { modelStream } from '../../src/upstream/model-stream.ts'
import { errorFromStatus, statusOfErrorEvent } from '../../src/upstream/upstream-error.ts'

describe('a deadline', () => {
  beforeEach(() => {
    vi.useFakeTimers()
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  const start = (totalMs = 1_000) => {
    const onExpire = vi.fn()
    return { onExpire, limit: deadline({ totalMs, onExpire }) }
  }

  test('expires once when a wait takes too long', () => {
    const { limit, onExpire } = start()
    limit.wait(100)
    vi.advanceTimersByTime(99)
    expect(onExpire).not.toHaveBeenCalled()
    vi.advanceTimersByTime(5_000)
    expect(onExpire).toHaveBeenCalledTimes(1)
  })

  test('moves with each wait, on one timer', () => {
    const { limit, onExpire } = start()
    const timers = vi.spyOn(globalThis, 'setTimeout')
    for (let i = 0; i < 9; i++) {
      limit.wait(100)
      vi.advanceTimersByTime(10)
    }
    expect(timers).toHaveBeenCalledTimes(1)
    vi.advanceTimersByTime(89)
    expect(onExpire).not.toHaveBeenCalled()
    vi.advanceTimersByTime(1)
    expect(onExpire).toHaveBeenCalledTimes(1)
  })

  test('can move nearer', () => {
    const { limit, onExpire } = start()
    limit.wait(900)
    limit.wait(50)
    vi.advanceTimersByTime(50)
    expect(onExpire).toHaveBeenCalledTimes(1)
  })

  test('a reader who is slow is not a server that is slow, but the total still ends it', () => {
    const { limit, onExpire } = start(1_000)
    limit.wait(100)
    limit.pause()
    vi.advanceTimersByTime(999)
    expect(onExpire).not.toHaveBeenCalled()
    vi.advanceTimersByTime(1)
    expect(onExpire).toHaveBeenCalledTimes(1)
  })

  test('waits never exceed the total', () => {
    const { limit, onExpire } = start(1_000)
    vi.advanceTimersByTime(950)
    limit.wait(100)
    vi.advanceTimersByTime(50)
    expect(onExpire).toHaveBeenCalledTimes(1)
  })

  test('expires no more once it is stopped, and leaves no timer', () => {
    const { limit, onExpire } = start()
    limit.wait(100)
    limit.stop()
    limit.wait(100)
    vi.advanceTimersByTime(5_000)
    expect(onExpire).not.toHaveBeenCalled()
    expect(vi.getTimerCount()).toBe(0)
  })
})

describe('a refusal', () => {
  test.each<[number, ErrorCode]>([
    [400, 'upstream_rejected'],
    [401, 'upstream_misconfigured'],
    [403, 'upstream_misconfigured'],
    [404, 'upstream_misconfigured'],
    [408, 'upstream_unavailable'],
    [413, 'body_too_large'],
    [422, 'upstream_rejected'],
    [429, 'upstream_rate_limited'],
    [500, 'upstream_unavailable'],
    [502, 'upstream_unavailable'],
    [503, 'upstream_overloaded'],
    [504, 'upstream_timeout'],
    [529, 'upstream_overloaded'],
    [302, 'upstream_misconfigured'],
  ])('with status %i becomes %s', (status, code) => {
    expect(errorFromStatus(status, undefined).code).toBe(code)
  })

  test.each([401, 403])('of our credentials (%i) is our fault: the caller’s key is fine', (status) => {
    const error = errorFromStatus(status, { error: { message: 'Incorrect API key provided', code: 'invalid_api_key' } })
    expect(error.code).toBe('upstream_misconfigured')
    expect(ERRORS[error.code].status).toBe(502)
    expect(error.message).not.toContain('key')
  })

  test('that is about the request is passed on, with its field', () => {
    const error = errorFromStatus(400, {
      error: {
        message: 'top_k must be at most 100',
        type: 'invalid_request_error',
        param: 'messages[0].content',
        code: 'x',
      },
    })
    expect(error).toMatchObject({ message: 'top_k must be at most 100', param: 'messages.0.content' })
  })

  test('for length is told by its code, and by vLLM’s sentence', () => {
    const ours = {
      error: { message: 'The prompt has 9000 tokens; the model reads 8192.', code: 'context_length_exceeded' },
    }
    const theirs = { object: 'error', message: "This model's maximum context length is 8192 tokens.", code: 400 }
    expect(errorFromStatus(400, ours)).toMatchObject({ code: 'context_length_exceeded', message: ours.error.message })
    expect(errorFromStatus(400, theirs)).toMatchObject({ code: 'context_length_exceeded', message: theirs.message })
  })

  test.each([
    'see https://internal.example/errors',
    'connect to 10.0.3.17 failed',
    'host gpu-7.eu-west-1.compute.internal is down',
    'localhost refused',
    'open /opt/models/weights: no such file',
    'File "server.py", line 3',
    'Traceback (most recent call last)',
    'at Engine.run (engine)',
    'account 123456789012 lacks a quota',
    'arn:aws:sagemaker:x',
    'two\nlines',
  ])('that shows what is behind us is not passed on: %s', (message) => {
    const error = errorFromStatus(400, { error: { message, param: message } })
    expect(error.message).toBe('The model refused the request.')
    expect(error.param).toBeUndefined()
  })

  test('that is longer than a sentence is not passed on', () => {
    const message = (length: number) => errorFromStatus(400, { error: { message: 'x'.repeat(length) } }).message
    expect(message(400)).toHaveLength(400)
    expect(message(401)).toBe('The model refused the request.')
  })

  test('never says more of a failure than its kind, also not to the log', () => {
    const error = errorFromStatus(500, { error: { message: 'secret prompt text', code: 'engine died: secret' } })
    expect(`${error.message} ${error.cause}`).not.toContain('secret')
  })

  test('with Retry-After passes it on, bounded, and only as seconds', () => {
    expect(errorFromStatus(429, undefined, '7').retryAfterSeconds).toBe(7)
    expect(errorFromStatus(503, undefined, '999999').retryAfterSeconds).toBe(3_600)
    expect(errorFromStatus(429, undefined, 'Wed, 21 Oct 2026 07:28:00 GMT').retryAfterSeconds).toBeUndefined()
    expect(errorFromStatus(429, undefined, null).retryAfterSeconds).toBeUndefined()
  })

  test('inside a stream stands for the status that the server meant', () => {
    expect(statusOfErrorEvent({ error: { code: 429 } })).toBe(429)
    expect(statusOfErrorEvent({ error: { code: 'context_length_exceeded' } })).toBe(400)
    expect(statusOfErrorEvent({ error: { code: 'queue_full' } })).toBe(503)
    expect(statusOfErrorEvent({ error: { type: 'rate_limit_error' } })).toBe(429)
    expect(statusOfErrorEvent({ error: { code: 7 } })).toBe(500)
    expect(statusOfErrorEvent('nonsense')).toBe(500)
  })
})

describe('an event', () => {
  test.each([
    ['not JSON', '{'],
    ['no object', '[]'],
    ['null', 'null'],
    ['more choices than were asked for', '{"choices":[{"index":16,"delta":{}}]}'],
    ['content that is no text', '{"choices":[{"index":0,"delta":{"content":{"a":1}}}]}'],
    ['tool calls that are no list', '{"choices":[{"index":0,"delta":{"tool_calls":"f()"}}]}'],
    ['ids that are no list', '{"choices":[{"index":0,"delta":{},"token_ids":7}]}'],
    ['choices that are no list', '{"choices":{}}'],
    ['a choice without an index', '{"choices":[{"delta":{}}]}'],
    ['a negative index', '{"choices":[{"index":-1,"delta":{}}]}'],
    ['neither delta nor text', '{"choices":[{"index":0}]}'],
  ])('with %s is malformed', (_, data) => {
    expect(parseModelEvent(data).kind).toBe('malformed')
  })

  test.each([
    ['nothing', ''],
    ['no choices', '{}'],
    ['a ping', '{"type":"ping"}'],
  ])('with %s cannot hold a token, and is skipped', (_, data) => {
    expect(parseModelEvent(data).kind).toBe('silent')
  })

  test('whose usage is none has none', () => {
    const parsed = parseModelEvent('{"choices":[],"usage":{"prompt_tokens":"many","completion_tokens":-1}}')
    expect(parsed).toEqual({ kind: 'event', event: { choices: [] }, finishedChoices: [] })
  })

  test('says which choices it finishes', () => {
    const data = '{"choices":[{"index":2,"delta":{},"finish_reason":"stop"},{"index":0,"delta":{}}]}'
    expect(parseModelEvent(data)).toMatchObject({ kind: 'event', finishedChoices: [2] })
  })

  test.each(['error', 'abort'])('that finishes by %s is a failure', (reason) => {
    expect(parseModelEvent(`{"choices":[{"index":0,"delta":{},"finish_reason":"${reason}"}]}`).kind).toBe('error')
  })
})

describe('the end of a body', () => {
  const WHOLE = 'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'

  async function readTo(end: { isOver: boolean }) {
    const read = vi.fn<() => Promise<Uint8Array | undefined>>()
    read.mockResolvedValueOnce(new TextEncoder().encode(WHOLE)).mockResolvedValueOnce(undefined)
    const waits = vi.fn()
    const released = Promise.withResolvers<void>()
    const stream = await modelStream({
      bytes: { read, isOver: () => end.isOver },
      gathering: undefined,
      timeouts: { connect: 1, firstToken: 1, firstTokenWhileWaiting: 1, betweenTokens: 1, total: 1 },
      choices: 1,
      limit: { wait: waits, pause: () => undefined, stop: () => undefined },
      reason: () => undefined,
      close: () => undefined,
      release: released.resolve,
    })
    for await (const batch of stream) expect(batch).toHaveLength(1)
    await released.promise
    return { reads: read.mock.calls.length, waits: waits.mock.calls.length }
  }

  test('that came with the last event is not waited for', async () => {
    expect(await readTo({ isOver: true })).toEqual({ reads: 1, waits: 1 })
  })

  test('is read where it may still come, within a time-out, so that the connection serves the next request', async () => {
    expect(await readTo({ isOver: false })).toEqual({ reads: 2, waits: 2 })
  })
})
