/** A row of the log of requests, of which a test says what matters to it. */
import { type LogRow, rowId } from '../../src/request-log/log-row.ts'

export function logRow(more: Partial<LogRow> = {}): LogRow {
  const startedAtMs = more.startedAtMs ?? 1_795_510_800_123
  return {
    id: rowId(startedAtMs, '4f9c2a7b', 1),
    requestId: 'req_7d0e1c00',
    endpoint: 'POST /v1/chat/completions',
    client: undefined,
    keyId: 'key_1',
    userId: undefined,
    model: 'chat',
    deploymentId: 'd',
    deploymentModel: 'm-1',
    status: 200,
    code: 'ok',
    cache: 'miss',
    stream: false,
    promptTokens: 5,
    cachedTokens: 0,
    completionTokens: 2,
    costNano: 100,
    startedAtMs,
    firstTokenMs: 10,
    totalMs: 20,
    stages: { received: 1, model: 9, answer: 10 },
    calls: [],
    ...more,
  }
}
