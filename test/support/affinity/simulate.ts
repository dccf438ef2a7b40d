/** Runs the people against the replicas under one router, event by event; no clock and no chance but the seed's. */
import { ROUTERS, type RouterName } from './routers.ts'
import { type SimulatedPerson, simulatedPerson } from './simulated-conversations.ts'
import { type Served, simulatedReplica } from './simulated-replica.ts'

export type SimulationOptions = {
  seed: number
  router: RouterName
  /** Counted after the warm-up, which is a quarter of it more. */
  requests: number
  replicas: number
  slots: number
  conversationsPerSlot: number
  /** That a replica's cache holds, for each of its slots. */
  cacheTokensPerSlot: number
  /** Between turns, in the mean. */
  pauseMs: number
  isolates: number
  spill: number
}

export const SIMULATION: Omit<SimulationOptions, 'seed' | 'router'> = {
  requests: 4_000,
  replicas: 4,
  slots: 4,
  conversationsPerSlot: 3,
  // A conversation is that long in the mean, so that a replica holds about as many as it has slots.
  cacheTokensPerSlot: 800,
  pauseMs: 5_000,
  isolates: 1,
  spill: 1.5,
}

export type SimulationResult = {
  /** Of all tokens of all prompts. */
  cachedShare: number
  /** From the request to a slot. */
  waitMs: { p50: number; p99: number }
  firstTokenMs: { p50: number; p99: number }
  /** Of all slots' time. */
  busyShare: number
  /** Of the fullest replica, over the mean. */
  fullest: number
}

export function simulate(options: SimulationOptions): SimulationResult {
  const { replicas: count, slots, requests, seed } = options
  const due: { ms: number; call: (nowMs: number) => void }[] = []
  const at = (ms: number, call: (nowMs: number) => void) => void due.push({ ms, call })
  const replicas = Array.from({ length: count }, () => simulatedReplica(slots, slots * options.cacheTokensPerSlot, at))
  const router = ROUTERS[options.router](replicas, options)
  const served: (Served & { promptTokens: number; replica: number })[] = []

  function ask(person: SimulatedPerson, afterMs: number): void {
    const turn = person.next()
    at(afterMs + turn.pauseMs, (nowMs) => {
      const { replica, ended } = router.route(turn)
      const { prompt, answer } = turn
      const onEnd = (outcome: Served, endMs: number) => {
        ended(outcome.firstTokenMs)
        served.push({ ...outcome, promptTokens: prompt.length, replica })
        ask(person, endMs)
      }
      replicas[replica]?.take({ prompt, answer, arrivedMs: nowMs, onEnd }, nowMs)
    })
  }
  for (let person = 0; person < count * slots * options.conversationsPerSlot; person++) {
    ask(simulatedPerson(seed * 10_000 + person, options.pauseMs), 0)
  }

  const warmUp = Math.ceil(requests / 4)
  let nowMs = 0
  while (served.length < warmUp + requests) {
    let first = 0
    for (let index = 1; index < due.length; index++) if ((due[index]?.ms ?? 0) < (due[first]?.ms ?? 0)) first = index
    const [event] = due.splice(first, 1)
    if (event === undefined) throw new Error('Nothing is left to happen.')
    nowMs = event.ms
    event.call(nowMs)
  }
  return summary(served.slice(warmUp), {
    busyShare: replicas.reduce((sum, replica) => sum + replica.busyMs(), 0) / (nowMs * count * slots),
    count,
  })
}

function summary(
  served: readonly (Served & { promptTokens: number; replica: number })[],
  { busyShare, count }: { busyShare: number; count: number },
): SimulationResult {
  const sum = (of: (one: (typeof served)[number]) => number) => served.reduce((total, one) => total + of(one), 0)
  const perReplica = Array.from({ length: count }, (_, index) => sum(({ replica }) => (replica === index ? 1 : 0)))
  return {
    cachedShare: sum(({ cachedTokens }) => cachedTokens) / sum(({ promptTokens }) => promptTokens),
    waitMs: percentiles(served.map(({ waitMs }) => waitMs)),
    firstTokenMs: percentiles(served.map(({ firstTokenMs }) => firstTokenMs)),
    busyShare,
    fullest: (Math.max(...perReplica) * count) / served.length,
  }
}

function percentiles(values: readonly number[]): { p50: number; p99: number } {
  const sorted = [...values].sort((a, b) => a - b)
  const of = (share: number) => Math.round(sorted[Math.floor(share * sorted.length)] ?? Number.NaN)
  return { p50: of(0.5), p99: of(0.99) }
}
