/** The sign-in guard as the sequence of signing in sees it. Names objects; decides nothing. */

import { whileStoreAnswers } from '../while-store-answers.ts'
import { sha256Hex } from './api-key.ts'
import type { BackoffPolicy } from './sign-in-backoff.ts'
import type { GuardAnswer, SignInGuard } from './sign-in-guard.ts'

export type GuardKind = 'account' | 'address' | 'registration'

export type Guard = {
  /** Rejects with store_unavailable: closed, for else guessing would be free while the object is down. */
  enter(kind: GuardKind, name: string, policy: BackoffPolicy): Promise<GuardAnswer>
  /** Never rejects: a try too many that is remembered is a moment's wait for who signs in wrongly next. */
  forgive(kind: GuardKind, name: string, which: 'one' | 'all'): Promise<void>
}

/** The tenant is in no name: it is known only after signing in, and an e-mail address has one account in the installation. */
export function durableGuard(namespace: DurableObjectNamespace<SignInGuard>): Guard {
  const objectOf = (kind: GuardKind, name: string) => namespace.getByName(`${kind}/${sha256Hex(name)}`)
  return {
    enter: (kind, name, policy) => whileStoreAnswers<GuardAnswer>(objectOf(kind, name).enter(policy)),
    forgive: (kind, name, which) => whileStoreAnswers(objectOf(kind, name).forgive(which)).catch(() => undefined),
  }
}
