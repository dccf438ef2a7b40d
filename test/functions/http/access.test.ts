import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parseSettings } from '../../../functions/inference/settings.ts'
import { defaultModelFolder } from '../engine/default-model.ts'
import { MODEL, post, startRealServer } from './real-server.ts'

const KEY = 'a-key-that-nobody-guesses'
const QUESTION = { messages: [{ role: 'user', content: 'Hi' }], max_tokens: 1 }

describe('who may call', () => {
  test('an address that others reach needs a key, or a word that none is meant', () => {
    const parse = (argv: string[], env: Record<string, string> = {}) => parseSettings(argv, env)
    for (const host of ['0.0.0.0', '::', '192.168.1.5', '127.0.0.1.example.com']) {
      expect(parse(['--host', host])).toMatchObject({
        kind: 'wrong',
        message: expect.stringContaining('PERIGEE_INFERENCE_KEY'),
      })
      expect(parse(['--host', host], { PERIGEE_INFERENCE_KEY: '' })).toMatchObject({ kind: 'wrong' })
      expect(parse(['--host', host], { PERIGEE_INFERENCE_KEY: KEY })).toMatchObject({
        settings: { access: { kind: 'key' } },
      })
      expect(parse(['--host', host, '--no-auth'])).toMatchObject({ settings: { access: { kind: 'open' } } })
    }
    for (const host of ['127.0.0.1', '::1', 'localhost']) {
      expect(parse(['--host', host])).toMatchObject({ settings: { access: { kind: 'open' } } })
    }
    expect(parse(['serve'])).toMatchObject({ settings: { host: '0.0.0.0', port: 8080, access: { kind: 'closed' } } })
  })

  test('settings outside their bounds are refused by name', () => {
    for (const [argv, name] of [
      [['--port', '70000'], '--port'],
      [['--slots', '0'], '--slots'],
      [['--context', 'many'], '--context'],
      [['--batch-invariant', 'sometimes'], '--batch-invariant'],
      [['--chunk', '2'], '--chunk'],
      [['--wrong', '2'], '--wrong'],
      [['run'], 'run'],
    ] as const) {
      expect(parseSettings(argv, {})).toMatchObject({ kind: 'wrong', message: expect.stringContaining(name) })
    }
    expect(parseSettings([], { PERIGEE_INFERENCE_SLOTS: 'x' })).toMatchObject({
      message: expect.stringContaining('PERIGEE_INFERENCE_SLOTS'),
    })
    expect(parseSettings(['--slots', '3'], { PERIGEE_INFERENCE_SLOTS: '5' })).toMatchObject({ settings: { slots: 3 } })
    expect(parseSettings([], { PERIGEE_INFERENCE_SLOTS: '5' })).toMatchObject({ settings: { slots: 5 } })
  })

  test('with a key every route but /health wants it', async () => {
    const server = await startRealServer([], { PERIGEE_INFERENCE_KEY: KEY })
    const status = async (path: string, authorization?: string) =>
      (await fetch(server.url + path, { headers: authorization === undefined ? {} : { authorization } })).status
    expect(await status('/health')).toBe(200)
    for (const path of ['/v1/models', '/metrics', '/nothing/here']) {
      expect(await status(path)).toBe(401)
      expect(await status(path, `Bearer ${KEY}x`)).toBe(401)
      expect(await status(path, `Basic ${KEY}`)).toBe(401)
    }
    expect(await status('/v1/models', `Bearer ${KEY}`)).toBe(200)
    const refused = await post(`${server.url}/v1/chat/completions`, { ...QUESTION, model: MODEL })
    expect(refused.status).toBe(401)
    expect(refused.headers.get('www-authenticate')).toBe('Bearer')
    await server.stop(0)
  })

  test('behind SageMaker /ping and /invocations are open, the rest is shut, and no model need be named', async () => {
    const server = await startRealServer(['serve', '--host', '127.0.0.1', '--slots', '1'], {
      PERIGEE_INFERENCE_KEY: KEY,
    })
    expect((await fetch(`${server.url}/ping`)).status).toBe(200)
    const answer = await post(`${server.url}/invocations`, QUESTION)
    expect(await answer.json()).toMatchObject({ object: 'chat.completion', model: MODEL })
    const text = await post(`${server.url}/invocations`, { prompt: 'Once upon', max_tokens: 2 })
    expect(await text.json()).toMatchObject({ object: 'text_completion', model: MODEL })
    expect((await post(`${server.url}/v1/chat/completions`, QUESTION)).status).toBe(401)
    await server.stop(0)
  })
})

describe('the program', () => {
  const MAIN = join(import.meta.dirname, '../../../functions/inference/main.ts')
  const run = (argv: string[]) => spawn(process.execPath, [MAIN, ...argv], { stdio: ['ignore', 'pipe', 'pipe'] })
  const exited = (child: ChildProcess) => new Promise<number | null>((resolve) => child.once('exit', resolve))
  const printed = (stream: ChildProcess['stdout'], pattern: RegExp) =>
    new Promise<string>((resolve) => {
      let text = ''
      stream?.on('data', (data) => {
        text += String(data)
        const found = pattern.exec(text)?.[1]
        if (found !== undefined) resolve(found)
      })
    })

  test('prints one line with its URL, ends answers in flight at SIGTERM, and leaves no process behind', async () => {
    await defaultModelFolder()
    const child = run(['--port', '0', '--slots', '1', '--context', '256'])
    const end = exited(child)
    const url = await printed(child.stdout, /answers on (http:\S+)/)
    expect(await (await fetch(`${url}/health`)).json()).toMatchObject({ status: 'ok', ready: true, model: MODEL })
    const answer = post(`${url}/v1/chat/completions`, {
      ...QUESTION,
      model: MODEL,
      max_tokens: 40,
      seed: 1,
      temperature: 0,
    })
    while (!(await (await fetch(`${url}/metrics`)).text()).includes('perigee_inference_decoding 1')) {}
    child.kill('SIGTERM')
    const stopping = performance.now()
    expect((await answer).status).toBe(200)
    expect(await end).toBe(0)
    // As long as the answer takes, and not the grace of 20 s for one that does not end.
    expect(performance.now() - stopping).toBeLessThan(15_000)
    await expect(fetch(`${url}/health`)).rejects.toThrow()
  })

  test('says what is wrong with its arguments, and ends', async () => {
    const child = run(['--host', '0.0.0.0'])
    const said = printed(child.stderr, /(PERIGEE_INFERENCE_KEY)/)
    expect(await exited(child)).toBe(2)
    expect(await said).toBe('PERIGEE_INFERENCE_KEY')
  })
})
