/**
 * The text of an API key: `pg_`, 32 random bytes in base62 (43 characters), the CRC32 of those characters in base62 (6 characters).
 * The checksum lets the Worker, its filter and scanners of leaked secrets tell a key from noise without a look-up.
 */
export const API_KEY_PREFIX = 'pg_'
/** 62^43 > 2^256. */
export const API_KEY_RANDOM_CHARS = 43
/** 62^6 > 2^32. */
const CHECK_CHARS = 6
const FORMAT = /^pg_[0-9A-Za-z]{49}$/
const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

export function isApiKey(text: string): boolean {
  if (!FORMAT.test(text)) return false
  const random = text.slice(API_KEY_PREFIX.length, API_KEY_PREFIX.length + API_KEY_RANDOM_CHARS)
  return text.slice(API_KEY_PREFIX.length + API_KEY_RANDOM_CHARS) === apiKeyChecksum(random)
}

/** Of the random characters. */
export function apiKeyChecksum(random: string): string {
  return base62(BigInt(crc32(random)), CHECK_CHARS)
}

export function base62(number: bigint, length: number): string {
  let text = ''
  for (let rest = number; rest > 0n; rest /= 62n) text = (BASE62[Number(rest % 62n)] ?? '') + text
  return text.padStart(length, '0')
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1
  return crc
})

/** CRC-32 of ISO 3309 over ASCII text, as an unsigned number. node:zlib's is newer than the Node that may run the scripts. */
function crc32(ascii: string): number {
  let crc = 0xffffffff
  for (let i = 0; i < ascii.length; i++) crc = (CRC_TABLE[(crc ^ ascii.charCodeAt(i)) & 0xff] ?? 0) ^ (crc >>> 8)
  return (crc ^ 0xffffffff) >>> 0
}
