/** Makes, parses and hashes API keys, whose format is in src/contract/api-key-format.ts. Runs in workerd and Node. */
import { hash, randomBytes } from 'node:crypto'
import { API_KEY_PREFIX, API_KEY_RANDOM_CHARS, apiKeyChecksum, base62, isApiKey } from '../contract/api-key-format.ts'

const RANDOM_BYTES = 32

/** A new key. The caller must keep it: only its hash is stored. */
export function makeApiKey(): string {
  let number = 0n
  for (const byte of randomBytes(RANDOM_BYTES)) number = (number << 8n) | BigInt(byte)
  const random = base62(number, API_KEY_RANDOM_CHARS)
  return API_KEY_PREFIX + random + apiKeyChecksum(random)
}

/** The key when the text has the format and the checksum of one, else undefined. Says nothing about whether the key is known. */
export function parseApiKey(text: string): string | undefined {
  return isApiKey(text) ? text : undefined
}

/** What is stored of a key: lower-case hexadecimal. A fast hash is right here, for a key has 256 bits of entropy. */
export function sha256Hex(text: string): string {
  return hash('sha256', text, 'hex')
}
