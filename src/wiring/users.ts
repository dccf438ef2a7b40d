/** Users, their sessions, and outside identity providers. */
import { waitUntil } from 'cloudflare:workers'
import type { TokenSecrets } from '../auth/access-token.ts'
import { accessTokens } from '../auth/access-tokens.ts'
import { fetchJwks } from '../auth/fetch-jwks.ts'
import { durableGuard } from '../auth/guard-client.ts'
import { keySets } from '../auth/key-sets.ts'
import { outsideTokens } from '../auth/outside-tokens.ts'
import { ownTokens, principalOfSession } from '../auth/own-tokens.ts'
import { passwordCost } from '../auth/password-hash.ts'
import { providerAdmin } from '../auth/provider-admin.ts'
import { providerStore, type TrustedProvider } from '../auth/provider-store.ts'
import { sessionStore } from '../auth/session-store.ts'
import { signIn } from '../auth/sign-in.ts'
import { userAdmin } from '../auth/user-admin.ts'
import { userStore } from '../auth/user-store.ts'
import type { HttpPorts } from '../http/ports.ts'
import type { Isolate } from './isolate.ts'

type UserPorts = Pick<HttpPorts, 'accessTokens' | 'signIn' | 'users' | 'identityProviders'>

export function wireUsers(isolate: Isolate): UserPorts {
  const { env, config, directory, nowMs } = isolate
  const { PERIGEE_TOKEN_SECRET: current, PERIGEE_TOKEN_SECRET_PREVIOUS: previous } = config
  const secrets: TokenSecrets | undefined = current === undefined ? undefined : { current, previous }
  const sessions = sessionStore(env.DB)
  const people = userStore(env.DB)
  const providers = providerStore(env.DB)
  const guard = durableGuard(env.SIGN_IN_GUARD)
  const cost = passwordCost(config.PERIGEE_PASSWORD_ROUNDS)
  const sessionOf = directory.remember({
    kind: 'session',
    load: (sessionId) => sessions.holder(sessionId),
    prepare: principalOfSession,
    key: (change) => change.subject,
  })
  const trusted = directory.remember({
    kind: 'identity_provider',
    load: () => providers.trusted(),
    prepare: (stored: TrustedProvider[] | undefined) => stored ?? [],
    key: () => '',
  })
  const { changed } = directory
  return {
    accessTokens: accessTokens(
      ownTokens({ secrets, sessionOf, nowMs }),
      outsideTokens({
        providers: () => trusted(''),
        keySets: keySets({
          fetchJwks: (url) => fetchJwks(url, { fetch: (...call) => globalThis.fetch(...call) }),
          nowMs,
          waitUntil,
        }),
        nowMs,
      }),
    ),
    signIn: signIn({
      users: people,
      sessions,
      guard,
      secrets,
      cost,
      accessSeconds: config.PERIGEE_TOKEN_MINUTES * 60,
      sessionMs: config.PERIGEE_SESSION_DAYS * 86_400_000,
      nowMs,
      changed,
    }),
    users: userAdmin({
      store: people,
      guard,
      cost,
      registrationIsOpen: config.PERIGEE_SELF_REGISTRATION === 'on',
      nowMs,
      changed,
    }),
    identityProviders: providerAdmin({ store: providers, nowMs, changed }),
  }
}
