/** Bank accounts (ISO 13616): country, two check digits, the length of that country, and a remainder of 1 modulo 97. */
import {
  ALPHANUMERIC,
  type Codes,
  code,
  codeAt,
  type Detector,
  DIGIT,
  isOf,
  LETTERS,
  LETTERS_LOWER,
  LETTERS_UPPER,
  MORE,
  NONE,
} from './detector.ts'

/** Of the whole, by country, from the IBAN registry. */
const LENGTHS: Readonly<Record<string, number>> = Object.fromEntries(
  (
    'NO15 BE16 DK18 FI18 FK18 FO18 GL18 NL18 SD18 MK19 SI19 AT20 BA20 EE20 KZ20 LT20 LU20 MN20 XK20 CH21 HR21 LI21 LV21 ' +
    'BG22 BH22 CR22 DE22 GB22 GE22 IE22 ME22 RS22 VA22 AE23 GI23 IL23 IQ23 OM23 SO23 TL23 AD24 CZ24 ES24 MD24 PK24 RO24 SA24 ' +
    'SE24 SK24 TN24 VG24 LY25 PT25 ST25 IS26 TR26 BI27 DJ27 FR27 GR27 IT27 MC27 MR27 SM27 AL28 AZ28 BY28 CY28 DO28 GT28 HU28 ' +
    'LB28 PL28 SV28 BR29 EG29 PS29 QA29 UA29 JO30 KW30 MU30 NI31 MT31 SC31 LC32 RU33'
  )
    .split(' ')
    .map((entry) => [entry.slice(0, 2), Number(entry.slice(2))]),
)
const LENGTH_MAX = 33

export const iban: Detector = {
  label: '[IBAN]',
  // In print a space follows every fourth character.
  longest: LENGTH_MAX + Math.floor(LENGTH_MAX / 4),
  starts: LETTERS_LOWER + LETTERS_UPPER,
  scan(text, at) {
    // Most words end here.
    for (let index = 1; index < 4; index++) {
      const character = codeAt(text, at + index)
      if (character === -1) return text.final ? NONE : MORE
      if (!fits(character, index)) return NONE
    }
    let account = ''
    let lengthNeeded = LENGTH_MAX
    let end = at
    for (;;) {
      const character = codeAt(text, end)
      if (character === -1 && !text.final) return MORE
      if (account.length === lengthNeeded) break
      if (!fits(character, account.length)) {
        const separates = (character === code(' ') || character === code('-')) && account.length % 4 === 0
        if (!separates || account.length < 4 || !isOf(followingOr(text, end + 1), ALPHANUMERIC)) return NONE
        end += 1
        if (end >= text.count && !text.final) return MORE
        continue
      }
      account += String.fromCharCode(character).toUpperCase()
      end += 1
      if (account.length === 2) {
        const length = LENGTHS[account]
        if (length === undefined) return NONE
        lengthNeeded = length
      }
    }
    return !isOf(codeAt(text, end), ALPHANUMERIC) && remainder97(account) === 1 ? end : NONE
  },
}

function fits(character: number, index: number): boolean {
  return isOf(character, index < 2 ? LETTERS : index < 4 ? DIGIT : ALPHANUMERIC)
}

/** What has not come yet may be anything. */
function followingOr(text: Codes, at: number): number {
  return at >= text.count && !text.final ? code('0') : codeAt(text, at)
}

function remainder97(account: string): number {
  let remainder = 0
  for (const character of account.slice(4) + account.slice(0, 4)) {
    const value = Number.parseInt(character, 36)
    remainder = (remainder * (value > 9 ? 100 : 10) + value) % 97
  }
  return remainder
}
