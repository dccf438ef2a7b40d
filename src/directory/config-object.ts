/**
 * Tells every isolate what has changed in D1, from memory. One object, `all`, for the whole installation, although names of objects
 * have a tenant in them elsewhere: it holds nothing of any tenant but ids, the numbers that it hands on are those of the one table,
 * and an isolate serves all tenants, so that with an object each it would ask as many questions as it has tenants. Each isolate asks once
 * in 3 s at most. It stores nothing: an evicted one reads the table again. So more of them under other names would be as right.
 */
import { DurableObject } from 'cloudflare:workers'
import type { Env } from '../env.ts'
import type { ChangesAnswer, Version } from './change.ts'
import { type ChangeFeed, changeFeed } from './change-feed.ts'
import { changeTable } from './change-table.ts'

export class Config extends DurableObject<Env> {
  readonly #feed: ChangeFeed

  constructor(state: DurableObjectState, env: Env) {
    super(state, env)
    this.#feed = changeFeed({
      table: changeTable(env.DB),
      nowMs: () => Date.now(),
      setTimer: (ms, call) => {
        const timer = setTimeout(call, ms)
        return () => clearTimeout(timer)
      },
      warn(cause) {
        console.warn(JSON.stringify({ level: 'warn', event: 'change_look_failed', cause: String(cause) }))
      },
    })
  }

  /** What was committed after `version`; without one, where to begin. */
  changesSince(version?: Version): Promise<ChangesAnswer> {
    return this.#feed.changesSince(version)
  }

  /** A writer has committed: look now, then answer. */
  poke(version?: Version): Promise<ChangesAnswer> {
    return this.#feed.poke(version)
  }
}
