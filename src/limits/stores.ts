/** What a store of limits must do, whoever keeps it: a Durable Object per principal or Upstash. One test suite holds both to it. */

/** Something that is counted, and how much of it there may be. */
export type Counter = {
  /** Tenant and principal: whose it is, and the name of its Durable Object. */
  owner: string
  /** What is counted, within its owner. */
  name: string
  amount: number
}

/** A counter that begins anew with each window. Windows are fixed: they begin at multiples of their length since 1970, UTC. */
export type WindowCounter = Counter & { windowMs: number }

export type Ask = {
  /** Nothing is granted when less than this is left. */
  need: number
  want: number
  /** Was used beyond what had been granted, and is counted whatever is left. */
  spent: number
}

export type Grant = { granted: number; remaining: number }

/** Both methods reject when the store does not answer: what was asked for may then have been counted. */
export type WindowStore = {
  /** Takes `want`, else what is left if that is `need` at least, else nothing. Never grants more than is left. */
  take(counter: WindowCounter, windowStartMs: number, ask: Ask): Promise<Grant>
  /** For what was granted in this very window and not used. */
  giveBack(counter: WindowCounter, windowStartMs: number, amount: number): Promise<void>
}

/** What an isolate says of the streams that it runs. `untilMs`: when they count as gone unless it says so again. */
export type Holding = { holderId: string; running: number; want: number; nowMs: number; untilMs: number }

export type StreamStore = {
  /** Holds `want` places for the isolate, or as many as are free; what runs is held even beyond the limit. Resolves to how many. */
  hold(counter: Counter, holding: Holding): Promise<number>
}

export type LimitStore = WindowStore & StreamStore

export function windowStartOf(windowMs: number, nowMs: number): number {
  return nowMs - (nowMs % windowMs)
}
