/** What is told of a completion: once, whatever its end, in times that add up. */
import { describe, expect, test } from 'vitest'
import type { AttemptRecord, RequestNote } from '../../../src/chat/ports.ts'
import { logMeter } from '../../../src/request-log/log-meter.ts'
import { COLUMNS, idPrefix, rowId, rowText } from '../../../src/request-log/log-row.ts'
import { logRow } from '../../support/log-row.ts'

const PRINCIPAL = { tenantId: 'tnt_1', keyId: 'key_1', scopes: [] }
const NOTE: RequestNote = {
  requestId: 'req_1',
  stream: true,
  endUser: 'ada',
  caller: { endpoint: 'POST /chat', client: 'curl/8', arrivedAtMs: 990 },
}
const USAGE = { prompt_tokens: 5, completion_tokens: 2, total_tokens: 7, prompt_tokens_details: { cached_tokens: 3 } }
const CALL: AttemptRecord = { deploymentId: 'd', model: 'm-1', kind: 'first', startedAtMs: 1_020 }

function world() {
  const clock = { nowMs: 1_000 }
  const told: { tenantId: string; row: Record<string, unknown> }[] = []
  const meter = logMeter({
    add(tenantId, text) {
      const fields = JSON.parse(text) as unknown[]
      expect(fields).toHaveLength(COLUMNS.length)
      told.push({ tenantId, row: Object.fromEntries(COLUMNS.map((column, at) => [column, fields[at]])) })
    },
    nowMs: () => clock.nowMs,
    newIsolateId: () => '4f9c2a7b',
  })
  return { clock, told, meter, pass: (ms: number) => (clock.nowMs += ms) }
}

describe('a completion', () => {
  test('is told when it has ended: who, what, by whom, for how much, and how long each step took', () => {
    const { meter, told, pass } = world()
    const span = meter.begin('chat', PRINCIPAL, NOTE)
    pass(3)
    span.did?.('alias')
    pass(4)
    span.did?.('admission')
    const attempts: AttemptRecord[] = []
    span.asks?.(attempts)
    attempts.push(CALL)
    pass(50)
    span.opened?.({ deployment: { id: 'd', model: 'm-1' }, cache: { status: 'miss' } })
    span.firstToken()
    pass(100)
    attempts.push({ ...CALL, kind: 'continuation', startedAtMs: 1_100 })
    pass(7)
    expect(told).toEqual([])
    span.end({ status: 'success', usage: USAGE }, 1_234)
    expect(told).toEqual([
      {
        tenantId: 'tnt_1',
        row: {
          id: `${idPrefix(990)}4f9c2a7b1`,
          ...{ request_id: 'req_1', endpoint: 'POST /chat', client: 'curl/8', key_id: 'key_1', user_id: 'ada' },
          ...{ model: 'chat', deployment_id: 'd', deployment_model: 'm-1', status: 200, code: 'ok', cache: 'miss' },
          ...{ stream: 1, prompt_tokens: 5, cached_tokens: 3, completion_tokens: 2, cost_nano: 1_234 },
          ...{ started_at_ms: 990, first_token_ms: 67, total_ms: 174, attempts: 2, continued: 1 },
          stages: { received: 10, alias: 3, admission: 4, model: 50, answer: 107 },
          calls: attempts,
        },
      },
    ])
  })

  test('that ends twice is told once, with the first end', () => {
    const { meter, told } = world()
    const span = meter.begin('chat', PRINCIPAL, NOTE)
    span.end({ status: 'error', code: 'rate_limited' })
    span.end({ status: 'success' })
    expect(told.map(({ row }) => [row.status, row.code])).toEqual([[429, 'rate_limited']])
  })

  test('of which nothing more is known says so by null, not by 0', () => {
    const { meter, told } = world()
    meter
      .begin('x'.repeat(300), PRINCIPAL, { requestId: 'r', stream: false })
      .end({ status: 'error', code: 'internal_error' })
    expect(told[0]?.row).toMatchObject({
      ...{ model: 'x'.repeat(256), user_id: null, endpoint: null, client: null, deployment_id: null, cache: null },
      ...{ prompt_tokens: null, completion_tokens: null, cost_nano: null, first_token_ms: null, attempts: 0 },
    })
  })

  test('under a token is that user’s, whoever the body names', () => {
    const { meter, told } = world()
    meter.begin('m', { ...PRINCIPAL, userId: 'usr_1' }, NOTE).end({ status: 'success' })
    expect(told[0]?.row.user_id).toBe('usr_1')
  })
})

test('ids are in the order of time and of their own, each once', () => {
  const times = [0, 35, 36, 1_000, 1_795_510_800_123, 1_795_510_800_124, 36 ** 9 - 1]
  const ids = times.map((atMs) => rowId(atMs, '4f9c2a7b', 1))
  expect(ids.toSorted()).toEqual(ids)
  const { meter, told } = world()
  for (let at = 0; at < 100; at++) meter.begin('m', PRINCIPAL, NOTE).end({ status: 'success' })
  expect(new Set(told.map(({ row }) => row.id)).size).toBe(100)
})

test('a row has no text of the request but names: a new field must be added to the list here', () => {
  expect(Object.keys(logRow())).toHaveLength(22)
  expect(JSON.parse(rowText(logRow()))).toHaveLength(24)
})
