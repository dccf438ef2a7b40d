/**
 * The server's side of the engine: starts its process, hands it requests, and starts it again when it dies. Whoever was being
 * served then gets an error event; whoever asks while it starts again waits for it.
 * Long for a file, because whom a death concerns, and who waits for the next process, is one state.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { join } from 'node:path'
import type { GrammarSource } from '../grammar/grammar-source.ts'
import { type AdapterRegistry, createAdapterRegistry } from './adapter-registry.ts'
import type {
  Checked,
  EngineOptions,
  EngineRequest,
  FinishReason,
  FromEngine,
  StepReport,
  ToEngine,
} from './engine-messages.ts'
import type { FirstTokenTimings } from './first-token-timings.ts'
import type { TokenLogprobs } from './token-logprobs.ts'

export type EngineEvent =
  | ({ type: 'tokens' } & NewTokens)
  | { type: 'end'; reason: FinishReason }
  /** Nothing comes after it. */
  | { type: 'error'; code: EngineErrorCode }

export type NewTokens = {
  /** Empty while the prompt is read. */
  ids: number[]
  /** An entry for each of `ids` where it was asked for; empty else. */
  logprobs: TokenLogprobs[]
  /** Of the tokens of the prompt, from its second on, where that was asked for: some with each chunk, all before the first id. */
  promptLogprobs: TokenLogprobs[]
  /** Tokens of the prompt that were not computed, because the prefix cache had them. */
  cachedTokens: number
  /** With the first id. */
  timings?: FirstTokenTimings
}

/**
 * `engine_crashed`: it died while serving this request. `engine_unavailable`: it does not start, or is stopping.
 * `adapter_unloaded`: the request's adapter is not there (any more). `grammar_failed`: what holds the answer to its schema died, and
 * nothing else.
 */
export type EngineErrorCode = 'engine_crashed' | 'engine_unavailable' | 'adapter_unloaded' | 'grammar_failed'

/** loading: the first start. restarting: it died and is coming back. down: it died while starting; tried again less and less often. */
export type EngineState = 'loading' | 'ready' | 'restarting' | 'down' | 'stopped'

export type Engine = {
  state(): EngineState
  /** Resolves when the engine first serves; rejects when it cannot. */
  ready: Promise<{ ortVersion: string; loadMs: number }>
  /** Events come in order and never before this returns. */
  generate(request: Omit<EngineRequest, 'id'>, listener: (event: EngineEvent) => void): Generation
  /** Whether the engine can hold an answer to a grammar; an answer to one that was not asked for here fails. */
  compile(grammar: GrammarSource): Promise<Checked | { ok: false; code: EngineErrorCode }>
  /** Requests that were accepted and have not ended. */
  inFlight(): number
  /** Of the engine's process, for tests that kill it. */
  pid(): number | undefined
  restarts(): number
  /** A crash takes none of them away. */
  adapters: Pick<AdapterRegistry, 'list' | 'has' | 'load' | 'unload'>
  stop(): Promise<void>
}

export type Generation = {
  /** Frees the slot before the engine's next run. No event comes after it. */
  cancel(): void
}

export type EngineClientOptions = EngineOptions & {
  onStep?: (step: StepReport) => void
  log?: (line: string) => void
  /** Another than our own, and another than START_MAX_MS, for tests. */
  childFile?: string
  startMaxMs?: number
}

type Answering = { request: EngineRequest; listener: (event: EngineEvent) => void; cachedTokens: number }

const RESTART_DELAY_FIRST_MS = 100
const RESTART_DELAY_MAX_MS = 10_000
/** A run takes less than a second; an engine that is silent so long while it has work is hung in native code. */
const SILENCE_MAX_MS = 60_000
/** The largest model that fits a server loads in less; one that takes longer hangs. */
const START_MAX_MS = 300_000
/** A process that does not end is in a long native call: it holds nothing worth waiting for. */
const STOP_GRACE_MS = 2_000

const CHILD_FILE = join(import.meta.dirname, 'engine-child.ts')

export function startEngine(options: EngineClientOptions): Engine {
  const {
    onStep = () => {},
    log = () => {},
    childFile = CHILD_FILE,
    startMaxMs = START_MAX_MS,
    ...engineOptions
  } = options
  const firstReady = Promise.withResolvers<{ ortVersion: string; loadMs: number }>()
  const running = new Map<number, Answering>()
  const adapters = createAdapterRegistry(options.adapters ?? [], (message) => {
    if (state !== 'ready') return false
    post(message)
    return true
  })
  const compiling = new Map<number, (result: Awaited<ReturnType<Engine['compile']>>) => void>()
  let child: ChildProcess | undefined
  let state: EngineState = 'loading'
  let nextId = 1
  let restarts = 0
  let failedStarts = 0
  let restartTimer: NodeJS.Timeout | undefined
  let silenceTimer: NodeJS.Timeout | undefined
  let startTimer: NodeJS.Timeout | undefined

  function start() {
    // The parent's own flags (a debugger's port, a test runner's loader) are not for the engine.
    const argument = JSON.stringify({ ...engineOptions, adapters: adapters.sources() })
    const started = fork(childFile, [argument], { execArgv: [], stdio: ['ignore', 2, 2, 'ipc'] })
    child = started
    // Sound because the child runs engine-child.ts, which sends nothing else.
    started.on('message', (message) => receive(message as FromEngine))
    started.on('error', (cause) => log(`The engine's process cannot be started: ${cause.message}`))
    const hanging = setTimeout(() => {
      log(`The engine was not ready after ${startMaxMs} ms; it is killed.`)
      started.kill('SIGKILL')
    }, startMaxMs).unref()
    startTimer = hanging
    started.on('exit', (code, signal) => {
      clearTimeout(hanging)
      died(started, code, signal)
    })
  }

  function receive(message: FromEngine) {
    watchSilence()
    if (message.type === 'step') return dispatch(message.step)
    if (message.type === 'adapter') return adapters.loaded(message.result)
    if (message.type === 'compiled') {
      compiling.get(message.id)?.(message.result)
      compiling.delete(message.id)
      return
    }
    ready(message)
  }

  function ready(message: Extract<FromEngine, { type: 'ready' }>) {
    const failed = adapters.started(message.adapters)
    for (const { name, message: reason } of failed) log(`The adapter ${name} cannot be used: ${reason}.`)
    // Who starts the server named it; later there are others to serve.
    if (state === 'loading' && failed.length > 0)
      firstReady.reject(new Error('An adapter cannot be used; its reason is above.'))
    clearTimeout(startTimer)
    state = 'ready'
    failedStarts = 0
    firstReady.resolve(message)
    const usable = new Set(message.adapters.map((result) => (result.ok ? result.adapter.name : null)))
    for (const { request } of [...running.values()]) {
      if (usable.has(request.adapter ?? null) || (request.adapter ?? null) === null) post({ type: 'generate', request })
      else end(request.id, { type: 'error', code: 'adapter_unloaded' })
    }
    adapters.unloadLeftovers(message.adapters)
  }

  function dispatch(step: StepReport) {
    const { tokens, promptLogprobs } = step
    for (const [id, cachedTokens] of step.cached) {
      const answering = running.get(id)
      if (answering !== undefined) answering.cachedTokens = cachedTokens
    }
    if (promptLogprobs !== undefined) tell(promptLogprobs.id, { promptLogprobs: promptLogprobs.logprobs })
    const logprobs = new Map(step.logprobs)
    const begun = new Map(step.begun)
    for (let i = 0; i < tokens.length; i += 2) {
      const id = tokens[i] ?? 0
      const its = logprobs.get(id)
      const timings = begun.get(id)
      tell(id, { ids: [tokens[i + 1] ?? 0], ...(its && { logprobs: [its] }), ...(timings && { timings }) })
    }
    for (const [id, reason] of step.ended) end(id, { type: 'end', reason })
    for (const id of step.failed ?? []) end(id, { type: 'error', code: 'grammar_failed' })
    onStep(step)
  }

  function tell(id: number, news: Partial<NewTokens>) {
    const answering = running.get(id)
    if (answering === undefined) return
    const { cachedTokens } = answering
    answering.listener({ type: 'tokens', ids: [], logprobs: [], promptLogprobs: [], cachedTokens, ...news })
  }

  function end(id: number, event: EngineEvent) {
    const listener = running.get(id)?.listener
    running.delete(id)
    listener?.(event)
  }

  function died(which: ChildProcess, code: number | null, signal: NodeJS.Signals | null) {
    if (which !== child) return
    child = undefined
    clearTimeout(silenceTimer)
    adapters.died()
    if (state === 'stopped') return
    const wasServing = state === 'ready'
    log(`The engine's process ended (${signal ?? code})${wasServing ? ' while serving' : ' while starting'}.`)
    if (state === 'loading') firstReady.reject(new Error('The inference engine does not start; its reason is above.'))
    state = wasServing ? 'restarting' : 'down'
    const delayMs = wasServing ? 0 : Math.min(RESTART_DELAY_FIRST_MS * 2 ** failedStarts++, RESTART_DELAY_MAX_MS)
    restartTimer = setTimeout(() => {
      restarts++
      start()
    }, delayMs)
    onStep(IDLE)
    failCompiling(wasServing ? 'engine_crashed' : 'engine_unavailable')
    for (const id of [...running.keys()]) {
      end(id, { type: 'error', code: wasServing ? 'engine_crashed' : 'engine_unavailable' })
    }
  }

  function failCompiling(code: EngineErrorCode) {
    for (const settle of compiling.values()) settle({ ok: false, code })
    compiling.clear()
  }

  function post(message: ToEngine) {
    if (child?.connected) child.send(message)
    watchSilence()
  }

  function watchSilence() {
    clearTimeout(silenceTimer)
    if (running.size === 0) return
    silenceTimer = setTimeout(() => {
      log(`The engine was silent for ${SILENCE_MAX_MS} ms with ${running.size} requests; it is killed.`)
      child?.kill('SIGKILL')
    }, SILENCE_MAX_MS).unref()
  }

  start()
  // A caller may never look at `ready`; the log has told.
  firstReady.promise.catch(() => {})

  return {
    state: () => state,
    ready: firstReady.promise,
    inFlight: () => running.size,
    pid: () => child?.pid,
    restarts: () => restarts,
    adapters,
    generate(given, listener) {
      const request = { ...given, id: nextId++ }
      const { adapter = null } = request
      const isDown = state === 'down' || state === 'stopped'
      if (isDown || (adapter !== null && !adapters.has(adapter))) {
        queueMicrotask(() => listener({ type: 'error', code: isDown ? 'engine_unavailable' : 'adapter_unloaded' }))
        return { cancel() {} }
      }
      running.set(request.id, { request, listener, cachedTokens: 0 })
      if (state === 'ready') post({ type: 'generate', request })
      return {
        cancel() {
          if (running.delete(request.id) && state === 'ready') post({ type: 'cancel', id: request.id })
        },
      }
    },
    async compile(grammar) {
      if (state !== 'ready') return { ok: false, code: 'engine_unavailable' }
      const id = nextId++
      const result = new Promise<Awaited<ReturnType<Engine['compile']>>>((resolve) => compiling.set(id, resolve))
      post({ type: 'compile', id, grammar })
      return result
    },
    async stop() {
      state = 'stopped'
      failCompiling('engine_unavailable')
      clearTimeout(restartTimer)
      clearTimeout(silenceTimer)
      for (const id of [...running.keys()]) end(id, { type: 'error', code: 'engine_unavailable' })
      const stopping = child
      if (stopping === undefined) return
      const exited = new Promise<void>((resolve) => stopping.once('exit', () => resolve()))
      // It ends when its parent is gone; a signal it leaves to the parent, since Ctrl-C reaches both.
      if (stopping.connected) stopping.disconnect()
      const kill = setTimeout(() => stopping.kill('SIGKILL'), STOP_GRACE_MS)
      await exited
      clearTimeout(kill)
    },
  }
}

/** What a dead engine does: the gauges must not show the rows of the one before. */
const IDLE: StepReport = {
  kind: 'decode',
  milliseconds: 0,
  amount: 0,
  tokens: [],
  cached: [],
  storedBytes: 0,
  ended: [],
  waiting: 0,
  prefilling: 0,
  decoding: 0,
}
