/** IP addresses: four numbers up to 255, or IPv6 as RFC 4291 2.2 writes it, with a digit and three characters before the first colon. */
import {
  ALPHANUMERIC,
  type Codes,
  code,
  codeAt,
  type Detector,
  DIGITS,
  HEXADECIMAL,
  isOf,
  MORE,
  NONE,
  textBetween,
} from './detector.ts'

const LONGEST = 39
const DOT = code('.')
const COLON = code(':')

export const ip: Detector = {
  label: '[IP]',
  longest: LONGEST,
  starts: `${DIGITS}abcdefABCDEF`,
  scan(text, at) {
    // The rest of a longer row of numbers, as of a version.
    if (codeAt(text, at - 1) === DOT) return NONE
    let end = at
    let colons = 0
    let dots = 0
    for (; end - at <= LONGEST; end++) {
      const character = codeAt(text, end)
      if (character === COLON) colons += 1
      else if (character === DOT) dots += 1
      else if (!isOf(character, HEXADECIMAL)) break
    }
    // A sentence may end right after it.
    const ended = end < text.count || text.final
    if (end - at > LONGEST) return NONE
    if (!ended) return MORE
    if (isOf(codeAt(text, end), ALPHANUMERIC) || (dots < 3 && colons < 2)) return NONE
    while (end > at && (codeAt(text, end - 1) === DOT || (codeAt(text, end - 1) === COLON && !endsShort(text, end))))
      end -= 1
    const address = textBetween(text, at, end)
    if (colons === 0 || (address.includes('.') && address.indexOf(':') > address.lastIndexOf('.'))) {
      const port = address.indexOf(':')
      const host = port < 0 ? address : address.slice(0, port)
      return isVersion4(host) ? at + host.length : NONE
    }
    return isVersion6(address) ? end : NONE
  },
}

function endsShort(text: Codes, end: number): boolean {
  return codeAt(text, end - 2) === COLON
}

function isVersion4(address: string): boolean {
  const parts = address.split('.')
  return parts.length === 4 && parts.every((part) => /^\d{1,3}$/.test(part) && Number(part) <= 255)
}

function isVersion6(address: string): boolean {
  if (!/^[0-9a-f]{3,4}:/i.test(address) || !/\d/.test(address)) return false
  const halves = address.split('::')
  const groups = halves.flatMap((half) => (half === '' ? [] : half.split(':')))
  if (!groups.every((group) => /^[0-9a-f]{1,4}$/i.test(group))) return false
  return halves.length === 2 ? groups.length <= 7 : halves.length === 1 && groups.length === 8
}
