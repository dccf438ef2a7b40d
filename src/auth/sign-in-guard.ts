/**
 * Counts tries to sign in, one object an account or an address: there is one of each in the world, so that no other isolate gives more
 * tries. Its name is a hash; what it stores is a number and a time. RPC methods return tagged unions.
 */
import { DurableObject } from 'cloudflare:workers'
import type { Env } from '../env.ts'
import { type Attempts, admit, type BackoffPolicy } from './sign-in-backoff.ts'

const KEY = 'attempts'

export type GuardAnswer = { allowed: true } | { allowed: false; retryAfterSeconds: number }

export class SignInGuard extends DurableObject<Env> {
  /** Counts a try, or says how long to wait. */
  async enter(policy: BackoffPolicy): Promise<GuardAnswer> {
    // Nothing between reading and writing waits on anything but storage, which lets no other call in: tries are counted one by one.
    const attempts = await this.ctx.storage.get<Attempts>(KEY)
    const admittance = admit(attempts, policy, Date.now())
    if (!admittance.allowed) {
      return { allowed: false, retryAfterSeconds: Math.ceil(admittance.retryAfterMs / 1_000) }
    }
    void this.ctx.storage.put(KEY, admittance.attempts)
    void this.ctx.storage.setAlarm(Date.now() + policy.forgetMs)
    return { allowed: true }
  }

  /** The try was right: it counts no more (`one`), or none does (`all`). */
  async forgive(which: 'one' | 'all'): Promise<void> {
    const attempts = await this.ctx.storage.get<Attempts>(KEY)
    if (!attempts) return
    if (which === 'all' || attempts.count <= 1) return this.#forget()
    await this.ctx.storage.put(KEY, { ...attempts, count: attempts.count - 1 } satisfies Attempts)
  }

  override alarm(): Promise<void> {
    return this.#forget()
  }

  async #forget(): Promise<void> {
    await this.ctx.storage.deleteAlarm()
    await this.ctx.storage.deleteAll()
  }
}
