/**
 * A child process that answers calls, each with one reply. Started when it is first needed, and again when it dies: whoever it was
 * answering then gets an error, whoever calls while it starts waits for it.
 */
import { type ChildProcess, fork } from 'node:child_process'
import type { FromChild, ToChild } from './answer-calls.ts'

export type CallProcessOptions = {
  /** A module that uses answerCalls. */
  file: string
  /** Given to the module as JSON, its one argument. */
  argument: unknown
  /** For the log: "embedding model". */
  title: string
  log: (line: string) => void
  /** Another than START_MAX_MS, for tests. */
  startMaxMs?: number
}

/** loading: the first start. restarting: it died and is coming back. down: it died while starting; tried again less and less often. */
export type CallProcessState = 'idle' | 'loading' | 'ready' | 'restarting' | 'down' | 'stopped'

/** `failed`: the module threw, and goes on. `crashed`: it died with this call. `unavailable`: it does not start, or is stopping. */
export type CallFailure = { code: 'failed'; message: string } | { code: 'crashed' } | { code: 'unavailable' }

export type CallResult<Reply> = { ok: true; reply: Reply } | { ok: false; failure: CallFailure }

export type CallProcess = {
  state(): CallProcessState
  /** Starts the process if that has not been done. Resolves when it serves; false when it could not, which the log explains. */
  start(): Promise<boolean>
  /** @typeParam Reply what the module answers to such a call; both are ours, so nobody checks */
  call<Reply>(call: unknown): Promise<CallResult<Reply>>
  /** For tests that kill it. */
  pid(): number | undefined
  restarts(): number
  stop(): Promise<void>
}

const RESTART_DELAY_FIRST_MS = 100
const RESTART_DELAY_MAX_MS = 10_000
/** A call takes a second at most; a process that is silent so long while it has calls is hung in native code. */
const SILENCE_MAX_MS = 60_000
/** The largest model of this kind loads in a few seconds; a process that takes so long hangs, and nobody it serves would ever be told. */
const START_MAX_MS = 120_000
/** A process that does not end is in a long native call: it holds nothing worth waiting for. */
const STOP_GRACE_MS = 2_000

export function openCallProcess(options: CallProcessOptions): CallProcess {
  const { file, argument, title, log, startMaxMs = START_MAX_MS } = options
  type Open = { message: ToChild; settle: (result: CallResult<unknown>) => void }
  const open = new Map<number, Open>()
  const firstReady = Promise.withResolvers<boolean>()
  let child: ChildProcess | undefined
  let state: CallProcessState = 'idle'
  let nextId = 1
  let restarts = 0
  let failedStarts = 0
  let restartTimer: NodeJS.Timeout | undefined
  let silenceTimer: NodeJS.Timeout | undefined
  let startTimer: NodeJS.Timeout | undefined

  function start() {
    // The parent's own flags (a debugger's port, a test runner's loader) are not for the child; typed arrays need the structured form.
    const started = fork(file, [JSON.stringify(argument)], {
      ...{ execArgv: [], stdio: ['ignore', 2, 2, 'ipc'], serialization: 'advanced' },
    })
    child = started
    // Sound because the child's module answers through answerCalls, which sends nothing else.
    started.on('message', (message) => receive(message as FromChild))
    started.on('error', (cause) => log(`The process of the ${title} cannot be started: ${cause.message}`))
    const hanging = setTimeout(() => {
      log(`The process of the ${title} was not ready after ${startMaxMs} ms; it is killed.`)
      started.kill('SIGKILL')
    }, startMaxMs).unref()
    startTimer = hanging
    started.on('exit', (code, signal) => {
      clearTimeout(hanging)
      died(started, signal ?? String(code))
    })
  }

  function receive(message: FromChild) {
    if (message.type === 'ready') {
      clearTimeout(startTimer)
      state = 'ready'
      failedStarts = 0
      firstReady.resolve(true)
      for (const { message } of open.values()) post(message)
      return
    }
    const settle = open.get(message.id)?.settle
    open.delete(message.id)
    watchSilence()
    const { reply, error } = message
    settle?.(error === undefined ? { ok: true, reply } : { ok: false, failure: { code: 'failed', message: error } })
  }

  function died(which: ChildProcess, why: string) {
    if (which !== child) return
    child = undefined
    clearTimeout(silenceTimer)
    if (state === 'stopped') return
    const wasServing = state === 'ready'
    log(`The process of the ${title} ended (${why})${wasServing ? ' while serving' : ' while starting'}.`)
    firstReady.resolve(false)
    state = wasServing ? 'restarting' : 'down'
    const delayMs = wasServing ? 0 : Math.min(RESTART_DELAY_FIRST_MS * 2 ** failedStarts++, RESTART_DELAY_MAX_MS)
    restartTimer = setTimeout(() => {
      restarts++
      start()
    }, delayMs)
    fail({ code: wasServing ? 'crashed' : 'unavailable' })
  }

  function fail(failure: CallFailure) {
    const calls = [...open.values()]
    open.clear()
    for (const { settle } of calls) settle({ ok: false, failure })
  }

  function post(message: ToChild) {
    if (child?.connected) child.send(message)
    watchSilence()
  }

  function watchSilence() {
    clearTimeout(silenceTimer)
    if (open.size === 0) return
    silenceTimer = setTimeout(() => {
      log(`The ${title} was silent for ${SILENCE_MAX_MS} ms with ${open.size} calls; its process is killed.`)
      child?.kill('SIGKILL')
    }, SILENCE_MAX_MS).unref()
  }

  function startFirst() {
    if (state !== 'idle') return
    state = 'loading'
    start()
  }

  return {
    state: () => state,
    pid: () => child?.pid,
    restarts: () => restarts,
    start() {
      startFirst()
      return firstReady.promise
    },
    async call<Reply>(call: unknown): Promise<CallResult<Reply>> {
      startFirst()
      if (state === 'down' || state === 'stopped') return { ok: false, failure: { code: 'unavailable' } }
      const message = { id: nextId++, call }
      return new Promise((resolve) => {
        // Sound as far as the caller's type parameter is.
        const settle = resolve as (result: CallResult<unknown>) => void
        open.set(message.id, { message, settle })
        if (state === 'ready') post(message)
      })
    },
    async stop() {
      state = 'stopped'
      clearTimeout(restartTimer)
      clearTimeout(silenceTimer)
      firstReady.resolve(false)
      fail({ code: 'unavailable' })
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
