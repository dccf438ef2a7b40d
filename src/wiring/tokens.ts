/** Access tokens, as requests bring them: ours, and those of outside identity providers. */
import { waitUntil } from 'cloudflare:workers'
import { accessTokens } from '../auth/access-tokens.ts'
import { keySets } from '../auth/key-sets.ts'
import { outsideTokens } from '../auth/outside-tokens.ts'
import { ownTokens, principalOfSession } from '../auth/own-tokens.ts'
import { providerStore, type TrustedProvider } from '../auth/provider-store.ts'
import { sessionStore } from '../auth/session-store.ts'
import type { AccessTokens } from '../http/ports.ts'
import { type Isolate, tokenSecrets } from './isolate.ts'

export function wireTokens({ env, config, directory, nowMs }: Isolate): AccessTokens {
  const sessions = sessionStore(env.DB)
  const providers = providerStore(env.DB)
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
  return accessTokens(
    ownTokens({ secrets: tokenSecrets(config), sessionOf, nowMs }),
    outsideTokens({
      providers: () => trusted(''),
      keySets: keySets({
        async fetchJwks(url) {
          const { fetchJwks } = await import('../auth/fetch-jwks.ts')
          return fetchJwks(url, { fetch: (...call) => globalThis.fetch(...call) })
        },
        nowMs,
        waitUntil,
      }),
      nowMs,
    }),
  )
}
