/** Whatever is no API key: a token of ours, by its header, else one of an outside provider. */
import type { AccessTokens } from '../http/ports.ts'
import { isOurToken } from './access-token.ts'
import type { OutsideTokens } from './outside-tokens.ts'
import type { OwnTokens } from './own-tokens.ts'

export function accessTokens(own: OwnTokens, outside: OutsideTokens): AccessTokens {
  return { verify: (token) => (isOurToken(token) ? own.verify(token) : outside.verify(token)) }
}
