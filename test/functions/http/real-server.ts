/** The server with the real model, on a free port of this machine. */

import type { Serving } from '../../../functions/inference/http/serving.ts'
import { type RunningServer, startServer } from '../../../functions/inference/http/start-server.ts'
import type { Settings } from '../../../functions/inference/settings.ts'
import { parseSettings } from '../../../functions/inference/settings.ts'
import { defaultModelFolder } from '../engine/default-model.ts'

export type RealServer = RunningServer & { serving: Serving; log: string[] }

/** @param argv as on the command line */
export function settingsFrom(argv: string[], env: Record<string, string> = {}): Settings {
  // Not by the memory that happens to be free: tests must do the same everywhere.
  const sizes = ['--context', '512', '--slots', '8', '--prefix-cache-mb', '512']
  const fixed = ['--port', '0', '--threads', '2', ...sizes, '--embedding-model', 'none']
  const parsed = parseSettings([...fixed, ...argv], env)
  if (parsed.kind !== 'settings') throw new Error(parsed.kind === 'wrong' ? parsed.message : parsed.text)
  return parsed.settings
}

export async function startRealServer(argv: string[] = [], env: Record<string, string> = {}): Promise<RealServer> {
  const log: string[] = []
  const server = await startServer(settingsFrom(argv, env), (line) => log.push(line))
  const serving = await server.serve(await defaultModelFolder())
  return { ...server, serving, log }
}

export const MODEL = 'smollm2-135m-instruct'

export function post(url: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })
}

/** What a stream holds: its events in order, `[DONE]` as such, and its comments. */
export type Events = { events: unknown[]; isDone: boolean; comments: string[] }

/** Reads a stream to its end. Rejects when the connection breaks. */
export async function readEvents(response: Response, onEvent: (event: unknown) => void = () => {}): Promise<Events> {
  const read: Events = { events: [], isDone: false, comments: [] }
  let rest = ''
  for await (const text of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    const blocks = (rest + text).split('\n\n')
    rest = blocks.pop() ?? ''
    for (const block of blocks) {
      if (block.startsWith(':')) read.comments.push(block)
      else if (block === 'data: [DONE]') read.isDone = true
      else {
        const event: unknown = JSON.parse(block.slice('data: '.length))
        read.events.push(event)
        onEvent(event)
      }
    }
  }
  if (rest !== '') throw new Error(`The stream ended within an event: ${rest}`)
  return read
}

/** The value of a gauge or counter in Prometheus text. */
export async function metric(url: string, name: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text()
  const line = text.split('\n').find((candidate) => candidate.startsWith(`${name} `))
  if (line === undefined) throw new Error(`There is no metric ${name}.`)
  return Number(line.slice(name.length + 1))
}
