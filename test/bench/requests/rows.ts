/** A month of one busy tenant: few keys and users do most, one request in thirty fails, one in fifty is tried again. */

import type { AttemptRecord } from '../../../src/chat/ports.ts'
import { rowId, rowText } from '../../../src/request-log/log-row.ts'
import { logRow } from '../../support/log-row.ts'

export const TENANT = 'tnt_0123456789abcdefghij'
export const LAST_MS = 1_795_510_800_000
export const BEGAN_MS = LAST_MS - 30 * 86_400_000

const MODELS = ['gpt-5-mini', 'smollm2-135m-instruct', 'claude-sonnet-5']
const FAILURES = [
  { status: 429, code: 'rate_limited' },
  { status: 502, code: 'upstream_unavailable' },
  { status: 504, code: 'upstream_timeout' },
] as const

/** Row `number` of `rows`, as text. */
export function requestRow(number: number, rows: number, random: () => number): string {
  const startedAtMs = Math.floor(BEGAN_MS + ((LAST_MS - BEGAN_MS) * number) / rows)
  const pick = <Item>(items: readonly Item[]): Item => items[Math.floor(random() * items.length)] as Item
  /** Few of many: low numbers come often. */
  const few = (many: number) => Math.floor(many * random() ** 8)
  const first: AttemptRecord = {
    deploymentId: 'eu-1',
    model: 'm',
    kind: 'first',
    startedAtMs,
    firstTokenMs: 80,
    ms: 900,
  }
  const isRetried = random() < 0.02
  const totalMs = Math.floor(200 / (1 - random()))
  return rowText(
    logRow({
      id: rowId(startedAtMs, '4f9c2a7b', number),
      requestId: `req_${Math.floor(random() * 2 ** 52)
        .toString(16)
        .padStart(32, '0')}`,
      client: 'OpenAI/JS 7.57.0',
      keyId: `key_${few(2_000)}`,
      userId: random() < 0.7 ? `user-${few(50_000)}@example.com` : undefined,
      model: pick(MODELS),
      cache: number % 100_000 === 17 ? 'join' : pick(['miss', 'miss', 'miss', 'hit', 'bypass']),
      startedAtMs,
      totalMs,
      calls: isRetried
        ? [
            { ...first, code: 'upstream_timeout' },
            { ...first, kind: 'retry' },
          ]
        : [first],
      ...(random() < 1 / 30 ? pick(FAILURES) : {}),
    }),
  )
}
