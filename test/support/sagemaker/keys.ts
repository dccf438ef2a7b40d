/** Who may call the double. */
import type { KnownKey } from './sig-v4.ts'

export const REGION = 'eu-west-1'
export const PLAIN = { accessKeyId: 'AKIDPLAIN', secretAccessKey: 'plain+secret/1' }
export const SESSION = { accessKeyId: 'ASIASESSION', secretAccessKey: 'secret-2', sessionToken: 'IQoJ+/token==' }
export const EXPIRED = { accessKeyId: 'ASIAEXPIRED', secretAccessKey: 'secret-3', sessionToken: 'old' }

export const KEYS: Readonly<Record<string, KnownKey>> = {
  AKIDPLAIN: { secretAccessKey: PLAIN.secretAccessKey },
  ASIASESSION: { secretAccessKey: SESSION.secretAccessKey, sessionToken: SESSION.sessionToken },
  ASIAEXPIRED: { secretAccessKey: EXPIRED.secretAccessKey, sessionToken: EXPIRED.sessionToken, expired: true },
}
