/** The Config object over the real D1, and isolates before it, 120 ms away and with key-value reads 90 s stale. */
import { evictDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { directory } from '../../src/directory/directory.ts'
import { kvReserve } from '../../src/directory/reserve.ts'
import { type Distance, distance } from '../support/distance.ts'
import { type VirtualClock, virtualClock } from '../support/virtual-clock.ts'

let clock: VirtualClock
let far: Distance

beforeEach(async () => {
  clock = virtualClock()
  // The object's own clock too: it runs in this very isolate.
  vi.spyOn(Date, 'now').mockImplementation(clock.nowMs)
  far = distance(clock)
  await env.DB.prepare('CREATE TABLE IF NOT EXISTS greeting (tenant_id TEXT PRIMARY KEY, text TEXT NOT NULL)').run()
  // Each test has its own time, so the object must have nothing of another's.
  await evict()
})
afterEach(() => {
  vi.restoreAllMocks()
})

async function evict(): Promise<void> {
  const object = env.CONFIG.getByName('all')
  await object.changesSince()
  await evictDurableObject(object)
}

async function write(tenantId: string, text: string): Promise<void> {
  await env.DB.batch([
    env.DB.prepare('INSERT OR REPLACE INTO greeting VALUES (?, ?)').bind(tenantId, text),
    env.DB.prepare("INSERT INTO change (kind, tenant_id, subject, at_ms) VALUES ('greeting', ?, '', ?)").bind(
      tenantId,
      clock.nowMs(),
    ),
  ])
}

function isolate() {
  const bindings = far.env(env)
  const background: Promise<unknown>[] = []
  const known = directory({
    ...clock,
    config: () => bindings.CONFIG.getByName('all'),
    reserve: kvReserve(bindings.RESERVE),
    waitUntil: (promise) => void background.push(promise),
  })
  const recall = known.remember<string>({
    kind: 'greeting',
    load: async (tenantId) =>
      (await bindings.DB.prepare('SELECT text FROM greeting WHERE tenant_id = ?')
        .bind(tenantId)
        .first<string>('text')) ?? undefined,
  })
  return {
    changed: () => clock.run(known.changed()),
    recall,
    ask: async (tenantId: string) => clock.run(recall(tenantId)),
  }
}

/** A request every second. */
async function busy(one: ReturnType<typeof isolate>, tenantId: string, seconds: number): Promise<void> {
  for (let second = 0; second < seconds; second++) {
    await one.ask(tenantId)
    await clock.advance(1_000)
  }
}

test('a change takes effect everywhere within 10 s, with key-value reads 90 s stale, and without the poke too', async () => {
  await write('t1', 'one')
  const [writer, other] = [isolate(), isolate()]
  await busy(writer, 't1', 3)
  await busy(other, 't1', 3)
  for (const text of ['two', 'three', 'four']) {
    await write('t1', text)
    if (text === 'two') await writer.changed()
    if (text === 'four') await far.abort('CONFIG', evict)
    await busy(other, 't1', 9)
    expect(other.recall('t1'), text).toBe(text)
  }
  expect(await isolate().ask('t1')).toBe('four')
})

test('the reserve serves a new isolate while D1 and the object fail, and knows no more than it was told', async () => {
  await write('t1', 'one')
  const one = isolate()
  await busy(one, 't1', 3)
  await clock.advance(100_000)
  for (const name of ['DB', 'CONFIG']) far.trouble(name, 'fails')
  expect(await isolate().ask('t1')).toBe('one')
  await expect(isolate().ask('t2')).rejects.toMatchObject({ code: 'store_unavailable' })
})

test('the table keeps its last rows, and a new object reads no more than a thousand', async () => {
  const insert = env.DB.prepare("INSERT INTO change (kind, tenant_id, subject, at_ms) VALUES ('x', 't', '', ?)")
  for (let batch = 0; batch < 11; batch++) {
    await env.DB.batch(Array.from({ length: 1_100 }, () => insert.bind(clock.nowMs())))
  }
  const object = env.CONFIG.getByName('all')
  const answer = await object.changesSince()
  expect(answer).toMatchObject({ kind: 'too_old' })
  expect(answer.kind === 'too_old' && answer.changes.length).toBe(1_000)
  await vi.waitUntil(
    async () => (await env.DB.prepare('SELECT count(*) AS n FROM change').first<number>('n')) === 10_001,
    { timeout: 5_000, interval: 20 },
  )
  // Whoever is up to date hears of nothing.
  const version = answer.kind === 'unknown' ? undefined : answer.version
  expect(await object.poke(version)).toMatchObject({ kind: 'changes', changes: [] })
})
