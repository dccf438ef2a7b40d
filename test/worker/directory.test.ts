/** The Config object over the real D1, and isolates before it, 120 ms away and with key-value reads 90 s stale. */
import { evictDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { sha256Hex } from '../../src/auth/api-key.ts'
import { keyAdmin } from '../../src/auth/key-admin.ts'
import { keyStore, type UsableKey } from '../../src/auth/key-store.ts'
import { type ReadyKey, readyKey, storedKeys } from '../../src/auth/stored-keys.ts'
import type { Principal } from '../../src/chat/ports.ts'
import { SCOPES } from '../../src/contract/scopes.ts'
import { directory } from '../../src/directory/directory.ts'
import { kvReserve } from '../../src/directory/reserve.ts'
import { type Distance, distance } from '../support/distance.ts'
import { type VirtualClock, virtualClock } from '../support/virtual-clock.ts'

const DAY_MS = 86_400_000
let tests = 0
let clock: VirtualClock
let far: Distance

beforeEach(async () => {
  // A day of its own for each test, for the changes of the one before stay in the table.
  clock = virtualClock(1_764_000_000_000 + tests++ * DAY_MS)
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
  await busy(one, 't1', 20)
  await clock.advance(100_000)
  for (const name of ['DB', 'CONFIG']) far.trouble(name, 'fails')
  expect(await isolate().ask('t1')).toBe('one')
  await expect(isolate().ask('t2')).rejects.toMatchObject({ code: 'store_unavailable' })
})

/** An isolate's keys, and a way to make and revoke them, all from afar. */
function keysFromAfar() {
  const bindings = far.env(env)
  const known = directory({
    ...clock,
    config: () => bindings.CONFIG.getByName('all'),
    reserve: kvReserve(bindings.RESERVE),
    waitUntil: () => undefined,
  })
  const store = keyStore(bindings.DB)
  const recall = known.remember<UsableKey, ReadyKey | undefined>({
    kind: 'key',
    load: store.findByHash,
    prepare: readyKey,
    key: ({ subject }) => subject,
    keysFromCallers: true,
  })
  const keys = storedKeys({ recall, nowMs: clock.nowMs })
  const use = async (key: string) => {
    const found = await clock.run(keys.find(sha256Hex(key), { origin: undefined, address: undefined }))
    return found !== undefined
  }
  const operator: Principal = { tenantId: 'tnt_default', keyId: 'key_default', scopes: SCOPES }
  const admin = keyAdmin({ store, changed: known.changed, nowMs: clock.nowMs })
  return {
    use,
    make: () =>
      clock.run(admin.create({ actor: operator, tenantId: operator.tenantId, input: { name: 'far', role: 'member' } })),
    revoke: (id: string) => clock.run(admin.revoke({ actor: operator, tenantId: operator.tenantId, id })),
  }
}

test('a revoked key is refused everywhere within 10 s, and D1 being down turns no valid key into a wrong one', async () => {
  const isolates = [keysFromAfar(), keysFromAfar(), keysFromAfar()]
  const [first = keysFromAfar()] = isolates
  const [revoked, valid] = [await first.make(), await first.make()]
  const useAll = async (key: string) => Promise.all(isolates.map(({ use }) => use(key)))
  for (let second = 0; second < 20; second++) {
    expect([await useAll(revoked.key), await useAll(valid.key)]).toEqual([
      [true, true, true],
      [true, true, true],
    ])
    await clock.advance(1_000)
  }
  await first.revoke(revoked.id)
  const revokedAtMs = clock.nowMs()
  while (clock.nowMs() < revokedAtMs + 10_000) {
    expect(await first.use(revoked.key)).toBe(false)
    await useAll(revoked.key)
    await clock.advance(500)
  }
  expect(await useAll(revoked.key)).toEqual([false, false, false])

  // The copy of the valid key becomes visible; the revoked one's was seen by then, too, if it were not for its removal.
  await clock.advance(100_000)
  for (const trouble of ['fails', 'hangs'] as const) {
    far.trouble('DB', trouble)
    await clock.advance(20_000)
    expect(await useAll(valid.key)).toEqual([true, true, true])
    expect(await keysFromAfar().use(valid.key)).toBe(true)
    for (const isolate of [...isolates, keysFromAfar()]) {
      await expect(isolate.use(revoked.key)).rejects.toMatchObject({ code: 'store_unavailable' })
    }
  }
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
