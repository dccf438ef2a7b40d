/** What every part of the wiring is made from: once per isolate. */
import { waitUntil } from 'cloudflare:workers'
import type { TokenSecrets } from '../auth/access-token.ts'
import type { Config } from '../config.ts'
import { type Directory, directory } from '../directory/directory.ts'
import { kvReserve } from '../directory/reserve.ts'
import type { Env } from '../env.ts'

export type Isolate = {
  env: Env
  config: Config
  /** What each isolate remembers of D1. */
  directory: Directory
  /** What stores in D1 are made from. `changed` is for after a write with rows in `change`. */
  stored: { db: D1Database; now: () => number; changed: () => Promise<void> }
  /** Looks the clock up at each call, so that a test may put another in its place. */
  nowMs: () => number
}

/** Undefined where nobody can sign in. */
export function tokenSecrets(config: Config): TokenSecrets | undefined {
  const { PERIGEE_TOKEN_SECRET: current, PERIGEE_TOKEN_SECRET_PREVIOUS: previous } = config
  return current === undefined ? undefined : { current, previous }
}

export function makeIsolate(env: Env, config: Config): Isolate {
  const nowMs = () => Date.now()
  const known = directory({
    config: () => env.CONFIG.getByName('all'),
    reserve: kvReserve(env.RESERVE),
    waitUntil,
    nowMs,
    setTimer(ms, call) {
      const timer = setTimeout(call, ms)
      return () => clearTimeout(timer)
    },
  })
  return { env, config, directory: known, stored: { db: env.DB, now: nowMs, changed: known.changed }, nowMs }
}
