/** Ids of rows: a prefix, the time in milliseconds and 130 random bits, in base62. Sorting by id is sorting by age; none can be guessed. */
import { randomBytes } from 'node:crypto'

const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
/** 62^8 ms is until the year 8888. The digits of BASE62 are in the order of their codes, as SQLite compares text. */
const TIME_DIGITS = 8
/** 62^22 > 2^130. */
const RANDOM_DIGITS = 22
/** The largest multiple of 62 that a byte holds: a remainder of what is beyond would favour some digits. */
const FAIR_BYTES = 248

export function makeId(prefix: 'tnt' | 'key' | 'usr' | 'ses' | 'idp', nowMs: number): string {
  let time = ''
  for (let rest = nowMs; time.length < TIME_DIGITS; rest = Math.floor(rest / 62))
    time = (BASE62[rest % 62] ?? '') + time
  return `${prefix}_${time}${randomDigits(RANDOM_DIGITS)}`
}

export function randomDigits(count: number): string {
  let text = ''
  while (text.length < count) {
    for (const byte of randomBytes(count)) {
      if (byte < FAIR_BYTES && text.length < count) text += BASE62[byte % 62]
    }
  }
  return text
}
