/** Who may announce a server: whoever has the secret, now, and once. */
import { expect, test } from 'vitest'
import { startAnnouncer } from '../../../functions/inference/announce/announcer.ts'
import { type Heartbeat, heartbeatSchema } from '../../../src/contract/heartbeat.ts'
import { type Signed, verifiedTime } from '../../../src/health/heartbeat-signature.ts'
import { virtualClock } from '../../support/virtual-clock.ts'

const SECRET = 'a secret of thirty-two characters'
const HEARTBEAT: Heartbeat = {
  deployment: 'llama-a',
  instance: 'b7c0d2f4',
  url: 'https://a.example',
  model: 'm',
  draining: false,
  load: {
    slots: 8,
    running: 3,
    waiting: 0,
    requests_per_second: 1.5,
    cpu: 0.5,
    memory_used_bytes: 1,
    memory_total_bytes: 2,
    gpus: [],
  },
}

type Sent = Signed & { url: string; body: Heartbeat }

/** An announcer whose edge answers `status`. */
function announcing(status: () => number = () => 200) {
  const clock = virtualClock()
  const sent: Sent[] = []
  const log: string[] = []
  const announcer = startAnnouncer({
    edgeUrl: 'https://edge.example/',
    secret: SECRET,
    heartbeat: async () => HEARTBEAT,
    async fetch(url, init) {
      const headers = new Headers(init?.headers)
      const text = String(init?.body)
      sent.push({
        url: String(url),
        time: headers.get('x-perigee-time') ?? undefined,
        signature: headers.get('x-perigee-signature') ?? undefined,
        text,
        body: JSON.parse(text),
      })
      return new Response('{}', { status: status() })
    },
    nowMs: clock.nowMs,
    every(ms, call) {
      let stop: () => void
      const tick = () => {
        call()
        stop = clock.setTimer(ms, tick)
      }
      stop = clock.setTimer(ms, tick)
      return () => stop()
    },
    log: (line) => log.push(line),
  })
  return { clock, sent, log, announcer }
}

async function one(): Promise<Sent> {
  const { clock, sent } = announcing()
  await clock.advance(0)
  const [first] = sent
  if (!first) throw new Error('nothing was sent')
  return first
}

test('what a server sends is what the edge takes, and it says when it was sent', async () => {
  const { clock, sent } = announcing()
  await clock.advance(0)
  expect(sent[0]?.url).toBe('https://edge.example/endpoints/heartbeat')
  expect(heartbeatSchema.parse(sent[0]?.body)).toEqual(HEARTBEAT)
  expect(sent[0] && verifiedTime(sent[0], SECRET, clock.nowMs())).toBe(clock.nowMs())
})

test.each<[string, (sent: Sent) => Signed]>([
  ['another body', (sent) => ({ ...sent, text: sent.text.replace('llama-a', 'llama-b') })],
  ['another time', (sent) => ({ ...sent, time: String(Number(sent.time) + 1) })],
  ['another signature', (sent) => ({ ...sent, signature: `v1=${'0'.repeat(64)}` })],
  ['another version', (sent) => ({ ...sent, signature: sent.signature?.replace('v1=', 'v2=') })],
  ['a signature that is cut', (sent) => ({ ...sent, signature: sent.signature?.slice(0, -2) })],
  ['no signature', ({ signature: _, ...sent }) => ({ ...sent, signature: undefined })],
  ['no time', (sent) => ({ ...sent, time: undefined })],
  ['a time that is no number', (sent) => ({ ...sent, time: `${sent.time?.slice(0, -1)}x` })],
])('%s is not taken', async (_, change) => {
  const sent = await one()
  expect(verifiedTime(change(sent), SECRET, Number(sent.time))).toBeUndefined()
})

test('another secret is not taken', async () => {
  const sent = await one()
  expect(verifiedTime(sent, SECRET.toUpperCase(), Number(sent.time))).toBeUndefined()
})

test('a heartbeat is of now: a minute before or after, and not more', async () => {
  const sent = await one()
  const at = Number(sent.time)
  const taken = [at - 60_001, at - 60_000, at + 60_000, at + 60_001].map(
    (now) => verifiedTime(sent, SECRET, now) === at,
  )
  expect(taken).toEqual([false, true, true, false])
})

test('one is sent every five seconds, each later than the last, whatever becomes of them', async () => {
  const { clock, sent, log } = announcing(() => 503)
  await clock.advance(20_000)
  expect(sent).toHaveLength(5)
  const times = sent.map(({ time }) => Number(time))
  expect(times.every((time, i) => i === 0 || time > (times[i - 1] ?? 0))).toBe(true)
  // Said once, not every five seconds.
  expect(log).toEqual(['https://edge.example/ does not hear this server: it answered 503.'])
})

test('a server that stops says so, once, and nothing after it', async () => {
  const { clock, sent, announcer } = announcing()
  await clock.advance(7_000)
  await announcer.leave()
  await clock.advance(20_000)
  expect(sent.map(({ body }) => body.draining)).toEqual([false, false, true])
})
