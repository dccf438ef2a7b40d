/** E-mail addresses of ASCII (RFC 5321 4.5.3.1: 64 characters before the @, 253 after it), with at least two labels after the @. */
import {
  type Codes,
  code,
  codeAt,
  type Detector,
  DIGITS,
  isOf,
  LABEL,
  LETTERS,
  LETTERS_LOWER,
  LETTERS_UPPER,
  MAILBOX,
  MORE,
  NONE,
} from './detector.ts'

const LOCAL_MAX = 64
const DOMAIN_MAX = 253
const LABEL_MAX = 63
const DOT = code('.')

export const email: Detector = {
  label: '[EMAIL]',
  longest: LOCAL_MAX + 1 + DOMAIN_MAX,
  starts: `${DIGITS}${LETTERS_LOWER}${LETTERS_UPPER}._%+-`,
  scan(text, at) {
    // It begins where the row of its characters does: in the middle of one that is none there is no other.
    if (isOf(codeAt(text, at - 1), MAILBOX)) return NONE
    let end = at
    while (end - at <= LOCAL_MAX && isOf(codeAt(text, end), MAILBOX)) end += 1
    if (end - at > LOCAL_MAX) return NONE
    if (end >= text.count) return text.final ? NONE : MORE
    return codeAt(text, end) === code('@') && codeAt(text, end - 1) !== DOT ? domainEnd(text, end + 1) : NONE
  },
}

function domainEnd(text: Codes, from: number): number {
  let at = from
  let end = NONE
  for (let labels = 1; ; labels++) {
    const start = at
    while (at - start < LABEL_MAX && at - from < DOMAIN_MAX && isOf(codeAt(text, at), LABEL)) at += 1
    if (at - from >= DOMAIN_MAX) return end
    if (at >= text.count && !text.final) return MORE
    if (at === start) return end
    if (labels >= 2 && isTopLevel(text, start, at)) end = at
    if (codeAt(text, at) !== DOT) return end
    at += 1
  }
}

function isTopLevel(text: Codes, from: number, to: number): boolean {
  if (to - from < 2) return false
  for (let at = from; at < to; at++) {
    // xn--... has digits and hyphens after its first two letters.
    if (!isOf(codeAt(text, at), LETTERS) && !(at >= from + 2 && codeAt(text, from) === code('x'))) return false
  }
  return true
}
