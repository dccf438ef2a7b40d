/**
 * The text of an API key: `pg_`, 32 random bytes in base62 (43 characters), the CRC32 of those characters in base62 (6 characters).
 * The checksum lets scanners of leaked secrets and this Worker tell a key from noise without a look-up. Runs in workerd and Node.
 */
import { hash, randomBytes } from 'node:crypto'

const PREFIX = 'pg_'
const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const RANDOM_BYTES = 32
/** 62^43 > 2^256. */
const RANDOM_CHARS = 43
/** 62^6 > 2^32. */
const CHECK_CHARS = 6
const FORMAT = /^pg_[0-9A-Za-z]{49}$/

/** A new key. The caller must keep it: only its hash is stored. */
export function makeApiKey(): string {
  let number = 0n
  for (const byte of randomBytes(RANDOM_BYTES)) number = (number << 8n) | BigInt(byte)
  const random = base62(number, RANDOM_CHARS)
  return PREFIX + random + base62(BigInt(crc32(random)), CHECK_CHARS)
}

/** The key when the text has the format and the checksum of one, else undefined. Says nothing about whether the key is known. */
export function parseApiKey(text: string): string | undefined {
  if (!FORMAT.test(text)) return undefined
  const random = text.slice(PREFIX.length, PREFIX.length + RANDOM_CHARS)
  const check = text.slice(PREFIX.length + RANDOM_CHARS)
  return check === base62(BigInt(crc32(random)), CHECK_CHARS) ? text : undefined
}

/** What is stored of a key: lower-case hexadecimal. A fast hash is right here, for a key has 256 bits of entropy. */
export function sha256Hex(text: string): string {
  return hash('sha256', text, 'hex')
}

function base62(number: bigint, length: number): string {
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
