/** Access tokens of ours to principals: the signature is checked here, the session and its user are looked up in what isolates remember. */
import type { Principal } from '../chat/ports.ts'
import { readAccessToken, type TokenSecrets } from './access-token.ts'
import { scopesOfRole } from './roles.ts'
import type { SessionHolder } from './session-store.ts'

/** Made once a load: the usual request allocates nothing. */
export function principalOfSession(holder: SessionHolder | undefined): Principal | undefined {
  return (
    holder && {
      tenantId: holder.tenant_id,
      keyId: holder.user_id,
      userId: holder.user_id,
      scopes: scopesOfRole(holder.role, holder.tenant_id),
    }
  )
}

export type OwnTokens = { verify(token: string): Principal | undefined | Promise<Principal | undefined> }

/** `sessionOf` answers at once what the isolate remembers; it is only asked for sessions that we signed. Without secrets no token is valid. */
export function ownTokens(options: {
  secrets: TokenSecrets | undefined
  sessionOf: (sessionId: string) => Principal | undefined | Promise<Principal | undefined>
  nowMs: () => number
}): OwnTokens {
  const { secrets, sessionOf, nowMs } = options
  return {
    verify(token) {
      const claims = secrets && readAccessToken(token, secrets, nowMs())
      return claims && sessionOf(claims.sid)
    },
  }
}
