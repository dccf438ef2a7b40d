/** Weights from the Hugging Face Hub, resumable: what has arrived stays in the target and the next attempt asks for the rest. */
import { open, stat, truncate } from 'node:fs/promises'
import type { WeightFile } from './catalogue.ts'
import type { SourceResult } from './weight-source.ts'

/** An unreachable Hub must cost little, since another source follows. */
const CONNECT_TIMEOUT_MS = 3_000
/** The Hub redirects to a store that may first have to fetch. */
const REDIRECT_TIMEOUT_MS = 15_000
const REDIRECTS_MAX = 5
const STALL_TIMEOUT_MS = 30_000
/** A line that breaks more often than this is one to report. */
const RESUMES_MAX = 5

export type HubOptions = {
  entry: WeightFile & Required<Pick<WeightFile, 'hub'>>
  /** The partial file, which becomes the whole one. */
  target: string
  onBytes: (done: number) => void
  fetch: typeof fetch
  /** HF_ENDPOINT: a mirror. */
  endpoint?: string | undefined
  /** HF_TOKEN; sent to the endpoint only, not to where it redirects. */
  token?: string | undefined
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
      return { ok: false, reason: `HTTP ${response.status}` }
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
    return { ok: false, isBroken: true, reason: watchdog.reason ?? reasonOf(error) }
  } finally {
    watchdog.stop()
  }
}

/** The answer that carries the file, after redirects; or why there is none. */
async function request(options: HubOptions, from: number, watchdog: Watchdog): Promise<Response | string> {
  const { entry, token } = options
  const { repository, revision } = entry.hub
  const base = (options.endpoint ?? 'https://huggingface.co').replace(/\/+$/, '')
  if (!URL.canParse(base)) return `HF_ENDPOINT is ${base}, which is no URL`
  let url = `${base}/${repository}/resolve/${revision}/${encodeURIComponent(entry.file)}`
  const { origin } = new URL(url)
  for (let hop = 0; hop <= REDIRECTS_MAX; hop++) {
    const headers = new Headers()
    if (from > 0) headers.set('range', `bytes=${from}-`)
    if (token && new URL(url).origin === origin) headers.set('authorization', `Bearer ${token}`)
    const limit = hop === 0 ? (options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS) : REDIRECT_TIMEOUT_MS
    watchdog.restart(limit, `no answer from ${new URL(url).host} within ${limit / 1_000} s`)
    const response = await options.fetch(url, { headers, redirect: 'manual', signal: watchdog.signal })
    const location = response.headers.get('location')
    if (response.status < 300 || response.status >= 400 || !location) return response
    await response.body?.cancel()
    url = new URL(location, url).href
  }
  return `more than ${REDIRECTS_MAX} redirects`
}

/** Aborts what uses its signal when it was not restarted in time, and remembers why. */
class Watchdog {
  reason: string | null = null
  readonly #controller = new AbortController()
  #timer: NodeJS.Timeout | undefined

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  restart(ms: number, reason: string): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => {
      this.reason = reason
      this.#controller.abort()
    }, ms)
  }

  stop(): void {
    clearTimeout(this.#timer)
  }
}

async function sizeOf(path: string): Promise<number> {
  return stat(path).then(
    ({ size }) => size,
    () => 0,
  )
}

/** fetch says only "fetch failed"; the cause has the reason. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  return cause instanceof Error ? cause.message || cause.name : String(cause)
}
