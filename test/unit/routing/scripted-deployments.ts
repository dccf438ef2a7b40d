/** Deployments that answer each call as a test has written, a clock that only sleeping and calling moves, and a health that counts. */
import type {
  AttemptCall,
  Deployment,
  Health,
  ModelEvent,
  ModelEventStream,
  Route,
  UpstreamCall,
} from '../../../src/chat/ports.ts'
import { AppError, type ErrorCode } from '../../../src/errors.ts'
import { attemptDeployments } from '../../../src/routing/attempt.ts'
import { inOrder } from '../../support/in-order.ts'
import { deploymentOf, factsOf, routeOf } from '../../support/routes.ts'

/** Of a call: it fails, or says events and ends, or says events and fails. `takesMs` before it says the first. */
export type Script = { takesMs?: number } & (
  | { fails: ErrorCode | AppError }
  | { says: readonly ModelEvent[]; dies?: ErrorCode }
)

export type World = ReturnType<typeof scriptedWorld>

export const TIMEOUTS = {
  connect: 1,
  firstToken: 2,
  firstTokenWhileWaiting: 60_000,
  betweenTokens: 10_000,
  total: 300_000,
}

export function scriptedWorld(options: { random?: () => number } = {}) {
  let nowMs = 1_000_000
  const slept: number[] = []
  const calls: { id: string; atMs: number; call: UpstreamCall }[] = []
  const places = new Map<string, { open: number; ends: (ErrorCode | undefined)[]; firsts: number }>()
  const closed = new Set<string>()
  let returned = 0

  const placesOf = (id: string) => {
    const known = places.get(id) ?? { open: 0, ends: [], firsts: 0 }
    places.set(id, known)
    return known
  }
  const health: Health = {
    view: () => ({ state: 'well', inFlight: 0, latencyMs: undefined, closedUntilMs: undefined }),
    enter({ id }) {
      if (closed.has(id)) return undefined
      const place = placesOf(id)
      place.open += 1
      return {
        firstEvent: () => (place.firsts += 1),
        end(failure) {
          place.open -= 1
          place.ends.push(failure?.code)
        },
      }
    },
    wait: () => Promise.reject(new AppError('upstream_overloaded', 'No place.', { retryAfterSeconds: 7 })),
  }

  /** Its last script answers every further call. */
  function deployment(id: string, scripts: readonly Script[], given: Partial<Deployment> = {}): Deployment {
    let turn = 0
    return deploymentOf({
      id,
      timeouts: TIMEOUTS,
      ...given,
      upstream: {
        async open(call, signal) {
          const script = scripts[Math.min(turn++, scripts.length - 1)]
          if (script === undefined) throw new Error(`${id} was not to be asked.`)
          calls.push({ id, atMs: nowMs, call })
          nowMs += script.takesMs ?? 0
          if ('fails' in script) {
            throw script.fails instanceof AppError ? script.fails : new AppError(script.fails, `from ${id}`)
          }
          return streamOf(script, signal)
        },
      },
    })
  }

  function streamOf(script: { says: readonly ModelEvent[]; dies?: ErrorCode }, signal: AbortSignal): ModelEventStream {
    let next = 0
    return {
      [Symbol.asyncIterator]: () => ({
        async next() {
          if (signal.aborted) throw new AppError('caller_gone', 'The caller hung up.')
          const event = script.says[next++]
          if (event) return { done: false, value: [event] }
          if (script.dies) throw new AppError(script.dies, 'It died.')
          return { done: true, value: undefined }
        },
        async return() {
          returned += 1
          return { done: true, value: undefined }
        },
      }),
    }
  }

  const ended: string[] = []
  const attempt = attemptDeployments({
    choose: inOrder,
    health,
    now: () => nowMs,
    random: options.random ?? (() => 0.5),
    async sleep(ms) {
      slept.push(ms)
      nowMs += ms
    },
    ended: ({ deploymentId, code }) => ended.push(`${deploymentId} ${code ?? 'ok'}`),
  })

  return {
    deployment,
    calls,
    slept,
    ended,
    closed,
    placesOf,
    returned: () => returned,
    now: () => nowMs,
    health,
    ask: (
      list: readonly Deployment[],
      call: Partial<AttemptCall> = {},
      route: Partial<Route> = {},
      signal?: AbortSignal,
    ) => attempt(routeOf(list, route), { ...CALL, ...call }, signal ?? new AbortController().signal),
  }
}

export const CALL: AttemptCall = {
  request: { kind: 'chat', body: { model: 'm', messages: [{ role: 'user', content: 'Hi' }], stream: true } },
  seed: 1,
  drawnSeed: false,
  requestId: 'req_1',
  facts: factsOf(),
}
