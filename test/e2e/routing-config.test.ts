/**
 * The configuration changes while requests come, by the command that people use: the built Worker in three isolates before two endpoints.
 * Once near its stores, and once 120 ms away from each of them with key-value reads 90 s stale.
 */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { makeApiKey, sha256Hex } from '../../src/auth/api-key.ts'
import type { RoutingConfig } from '../../src/contract/routing-config.ts'
import { type EdgeIsolates, edgeIsolates } from '../support/edge-isolates.ts'
import { answerOf, type NamedModel, namedModel } from '../support/named-model.ts'
import { until } from '../support/until.ts'

const ROOT = resolve(import.meta.dirname, '../..')
const KEY = makeApiKey()
const ISOLATES = 3
/** Per isolate, one after the other each. */
const CALLERS = 3
/** What contracts allow from a change to the last isolate that does as before. */
const EVERYWHERE_WITHIN_MS = 10_000

let folder: string
let one: NamedModel
let two: NamedModel

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'perigee-config-'))
  one = await namedModel('one', 30)
  two = await namedModel('two', 30)
})
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true })
  await Promise.all([one?.close(), two?.close()])
})

function configFor(name: 'one' | 'two', more: object = {}): RoutingConfig {
  const model = name === 'one' ? one : two
  return {
    // The other one is gone from the document altogether, while answers from it are half said.
    deployments: { [name]: { adapter: 'openai', url: model.url, model: `model-${name}`, ...more } },
    models: { chat: { targets: [{ deployment: name }] } },
  }
}

function fileOf(config: object): string {
  const file = join(folder, `${crypto.randomUUID()}.json`)
  writeFileSync(file, JSON.stringify(config))
  return file
}

/** `npm run config`, but without npm: it answers with its exit code and all that it printed. */
function command(url: string, ...words: string[]): Promise<{ code: number | null; text: string }> {
  const child = spawn(process.execPath, [join(ROOT, 'scripts/config.ts'), ...words, '--url', url, '--key', KEY], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NO_COLOR: '1' },
  })
  let text = ''
  child.stdout.on('data', (data) => (text += String(data)))
  child.stderr.on('data', (data) => (text += String(data)))
  return new Promise((done) => child.once('close', (code) => done({ code, text })))
}

type Answer = { isolate: number; beganAtMs: number; endedAtMs: number; status: number; text: string }

/** Callers at every isolate, half of them streaming, none of whom asks what was asked before. */
function load(urls: readonly string[]) {
  const answers: Answer[] = []
  let stopped = false
  let asked = 0
  const ask = async (isolate: number, url: string): Promise<Answer> => {
    asked += 1
    const stream = asked % 2 === 0
    const beganAtMs = performance.now()
    const response = await fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'chat', stream, messages: [{ role: 'user', content: `Question ${asked}` }] }),
    })
    const body = await response.text()
    return {
      isolate,
      beganAtMs,
      endedAtMs: performance.now(),
      status: response.status,
      text: stream ? textOfStream(body) : textOfWhole(body),
    }
  }
  const callers = urls.flatMap((url, isolate) =>
    Array.from({ length: CALLERS }, async () => {
      while (!stopped) answers.push(await ask(isolate, url))
    }),
  )
  return {
    answers,
    ask,
    async stop() {
      stopped = true
      await Promise.all(callers)
    },
  }
}

function textOfWhole(body: string): string {
  return JSON.parse(body).choices?.[0]?.message.content ?? body
}

/** What is not whole is not an answer. */
function textOfStream(body: string): string {
  if (!body.endsWith('data: [DONE]\n\n')) return body
  const events = body
    .split('\n\n')
    .flatMap((event) => (event.startsWith('data: {') ? [JSON.parse(event.slice(6))] : []))
  return events.map((event) => event.choices?.[0]?.delta?.content ?? '').join('')
}

/** Answers of the version before that an isolate began after it had ended one of the next. */
function relapses(answers: readonly Answer[], old: string, fromMs: number, toMs: number): Answer[] {
  const within = answers.filter(({ beganAtMs }) => beganAtMs > fromMs && beganAtMs < toMs)
  return within.filter(
    (late) =>
      late.text === answerOf(old) &&
      within.some(
        (next) => next.isolate === late.isolate && next.text !== answerOf(old) && next.endedAtMs < late.beganAtMs,
      ),
  )
}

function lastOf(answers: readonly Answer[], name: string, beforeMs = Number.POSITIVE_INFINITY): number {
  const times = answers.filter(({ beganAtMs, text }) => beganAtMs < beforeMs && text === answerOf(name))
  return Math.max(...times.map(({ beganAtMs }) => beganAtMs))
}

describe.each([
  ['near its stores', 'src/worker.ts'],
  ['far from its stores', 'test/worker/far-worker.ts'],
])('%s', (_, entry) => {
  let edge: EdgeIsolates

  beforeAll(async () => {
    const vars = { PERIGEE_KEY_SHA256: sha256Hex(KEY), PERIGEE_ALLOW_INTERNAL_URLS: 'on', PERIGEE_LOG_LEVEL: 'silent' }
    edge = await edgeIsolates(ISOLATES, vars, entry)
  })
  afterAll(() => edge?.stop())

  test('a change, a bad change and a rollback under load: each is everywhere within 10 s, and no request fails', async () => {
    const [url = ''] = edge.urls
    const first = await command(url, 'apply', fileOf(configFor('one')))
    expect(first).toMatchObject({ code: 0, text: expect.stringContaining('Version 1 holds') })
    const { answers, ask, stop } = load(edge.urls)
    const allSay = (name: string, sinceMs: number) => () =>
      edge.urls.every((_, isolate) =>
        answers.some(
          (answer) => answer.isolate === isolate && answer.beganAtMs > sinceMs && answer.text === answerOf(name),
        ),
      )
    try {
      await until('the first version is everywhere', allSay('one', 0), 20_000)

      const plan = await command(url, 'plan', fileOf(configFor('two')))
      expect([plan.code, plan.text.includes('+ deployments.two'), plan.text.includes('- deployments.one')]).toEqual([
        2,
        true,
        true,
      ])
      expect((await command(url, 'plan', fileOf(configFor('one')))).code).toBe(0)

      const change = await command(url, 'apply', fileOf(configFor('two')), '--comment', 'to the second')
      const changedAtMs = performance.now()
      expect(change).toMatchObject({ code: 0, text: expect.stringContaining('Version 2 holds') })
      await until('the change is everywhere', allSay('two', changedAtMs), EVERYWHERE_WITHIN_MS)

      const bad = await command(
        url,
        'apply',
        fileOf(configFor('one', { secret: 'UPSTREAM_NONE', url: 'http://example.com' })),
      )
      const refusedAtMs = performance.now()
      expect(bad.code).toBe(1)
      expect(bad.text).toContain('deployments.one.url must begin with https://')
      expect(bad.text).toContain('deployments.one.secret must name a secret')
      await until('answers go on after the bad one', allSay('two', refusedAtMs), EVERYWHERE_WITHIN_MS)

      const backBeganAtMs = performance.now()
      const back = await command(url, 'rollback', '1', '--comment', 'the second is slow')
      const backAtMs = performance.now()
      expect(back).toMatchObject({ code: 0, text: expect.stringContaining('Version 3 holds') })
      await until('the rollback is everywhere', allSay('one', backAtMs), EVERYWHERE_WITHIN_MS)
      await stop()
      // What an isolate knows it does not forget again.
      expect(relapses(answers, 'one', changedAtMs, backBeganAtMs)).toEqual([])
      expect(relapses(answers, 'two', backAtMs, Number.POSITIVE_INFINITY)).toEqual([])
      const lasted = [lastOf(answers, 'one', backBeganAtMs) - changedAtMs, lastOf(answers, 'two') - backAtMs]
      console.log(
        `${answers.length} answers; the version before was used for ${lasted.map(Math.round).join(' and ')} ms`,
      )
    } finally {
      await stop()
    }
    const failed = answers.filter(
      ({ status, text }) => status !== 200 || ![answerOf('one'), answerOf('two')].includes(text),
    )
    expect(failed).toEqual([])
    expect(answers.length).toBeGreaterThan(100)
    const versions = await command(url, 'versions')
    expect(versions.text.split('\n').filter((line) => line.startsWith('version'))).toEqual([
      expect.stringMatching(/^version 3 \(back to 1\) .* key_default {2}"the second is slow"$/),
      expect.stringMatching(/^version 2 .*"to the second"$/),
      expect.stringMatching(/^version 1 /),
    ])
    const exported = await command(url, 'export', '--version', '2')
    expect(parse(exported.text)).toEqual(configFor('two'))
    expect((await ask(0, url)).text).toBe(answerOf('one'))
  })
})
