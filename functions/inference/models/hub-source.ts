/** Weights from the Hugging Face Hub, resumable: what has arrived stays in the target and the next attempt asks for the rest. */
import { open, stat, truncate } from 'node:fs/promises'
import type { WeightFile } from './catalogue.ts'
import { type HubAccess, hubRefusal, hubRequest, linkedSha256 } from './hub-request.ts'
import { reasonOfFetch, Watchdog } from './watchdog.ts'
import type { SourceResult } from './weight-source.ts'

/** An unreachable Hub must cost little, since another source follows. */
const CONNECT_TIMEOUT_MS = 3_000
/** The Hub redirects to a store that may first have to fetch. */
const REDIRECT_TIMEOUT_MS = 15_000
const REDIRECTS_MAX = 5
const STALL_TIMEOUT_MS = 30_000
/** A line that breaks more often than this is one to report. */
const RESUMES_MAX = 5

export type HubOptions = HubAccess & {
  entry: WeightFile & Required<Pick<WeightFile, 'hub'>>
  /** The partial file, which becomes the whole one. */
  target: string
  onBytes: (done: number) => void
  fetch: typeof fetch
  connectTimeoutMs?: number | undefined
}

export async function pullFromHub(options: HubOptions): Promise<SourceResult> {
  const { entry, target } = options
  for (let attempt = 0; ; attempt++) {
    const before = await sizeOf(target)
    const result = await pullRest(options, before > entry.byteLength ? 0 : before)
    // Again only if the line broke after something arrived: refusals and unreachable hosts stay what they are.
    const goesOn = !result.ok && result.isBroken === true && (await sizeOf(target)) > before
    if (!goesOn || attempt >= RESUMES_MAX) return result
  }
}

/** `isBroken`: what has arrived is good as far as it goes. */
type PullResult = SourceResult & { isBroken?: boolean }

async function pullRest(options: HubOptions, from: number): Promise<PullResult> {
  const { entry, target, onBytes } = options
  if (from === entry.byteLength) return { ok: true }
  const watchdog = new Watchdog()
  try {
    const response = await request(options, from, watchdog)
    if (typeof response === 'string') return { ok: false, reason: response }
    const resumed =
      response.status === 206 && response.headers.get('content-range')?.startsWith(`bytes ${from}-`) === true
    if (response.status !== 200 && !resumed) {
      await response.body?.cancel()
      // 416: the partial file is no beginning of that file.
      if (response.status === 416 || response.status === 206) await truncate(target, 0)
      return { ok: false, reason: hubRefusal(response.status, response.headers) }
    }
    if (!response.body) return { ok: false, reason: 'an empty answer' }
    const file = await open(target, resumed ? 'r+' : 'w')
    let done = resumed ? from : 0
    try {
      watchdog.restart(STALL_TIMEOUT_MS, `nothing arrived for ${STALL_TIMEOUT_MS / 1_000} s`)
      for await (const chunk of response.body) {
        watchdog.restart(STALL_TIMEOUT_MS, `nothing arrived for ${STALL_TIMEOUT_MS / 1_000} s`)
        if (done + chunk.length > entry.byteLength) {
          await file.truncate(0)
          return { ok: false, reason: `it is longer than the expected ${entry.byteLength} bytes` }
        }
        await file.write(chunk, 0, chunk.length, done)
        done += chunk.length
        onBytes(done)
      }
    } finally {
      await file.close()
    }
    if (done === entry.byteLength) return { ok: true }
    return { ok: false, isBroken: true, reason: `it ended after ${done} of ${entry.byteLength} bytes` }
  } catch (error) {
    return { ok: false, isBroken: true, reason: watchdog.reason ?? reasonOfFetch(error) }
  } finally {
    watchdog.stop()
  }
}

/** The answer that carries the file, after redirects; or why there is none. */
async function request(options: HubOptions, from: number, watchdog: Watchdog): Promise<Response | string> {
  const { entry } = options
  const made = hubRequest({ ...entry.hub, path: entry.file }, options)
  if (typeof made === 'string') return made
  let { url } = made
  for (let hop = 0; hop <= REDIRECTS_MAX; hop++) {
    const headers = made.headersFor(url)
    if (from > 0) headers.set('range', `bytes=${from}-`)
    const limit = hop === 0 ? (options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS) : REDIRECT_TIMEOUT_MS
    watchdog.restart(limit, `no answer from ${new URL(url).host} within ${limit / 1_000} s`)
    const response = await options.fetch(url, { headers, redirect: 'manual', signal: watchdog.signal })
    const location = response.headers.get('location')
    const announced = linkedSha256(response.headers)
    if (announced !== null && announced !== entry.sha256) {
      await response.body?.cancel()
      return `it has another file there now, with the SHA-256 ${announced} and not ${entry.sha256}`
    }
    if (response.status < 300 || response.status >= 400 || !location) return response
    await response.body?.cancel()
    url = new URL(location, url).href
  }
  return `more than ${REDIRECTS_MAX} redirects`
}

async function sizeOf(path: string): Promise<number> {
  return stat(path).then(
    ({ size }) => size,
    () => 0,
  )
}
