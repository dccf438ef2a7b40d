/**
 * Telephone numbers: international with +, Chinese mobile ones, the North American 3-3-4, and national ones that begin with 0 and are
 * written in groups. A bare run of digits of another kind is a number like any other, and stays.
 */
import { ALPHANUMERIC, type Codes, code, codeAt, type Detector, DIGIT, DIGITS, isOf, MORE, NONE } from './detector.ts'
import { DigitGroups } from './digit-groups.ts'

/** ITU-T E.164. */
const DIGITS_MAX = 15
const SEPARATORS_MAX = 2
const GROUPS_MAX = 8

const groups = new DigitGroups({
  digitsMax: DIGITS_MAX,
  groupsMax: GROUPS_MAX,
  separators: ' -.()/',
  separatorsMax: SEPARATORS_MAX,
})

export const phone: Detector = {
  label: '[PHONE]',
  longest: 2 + DIGITS_MAX + (DIGITS_MAX - 1) * SEPARATORS_MAX,
  starts: `${DIGITS}+(`,
  scan(text, at) {
    // Decimals.
    if (codeAt(text, at - 1) === code('.')) return NONE
    const plus = codeAt(text, at) === code('+')
    let from = plus ? at + 1 : at
    if (codeAt(text, from) === code('(')) from += 1
    if (from >= text.count) return text.final ? NONE : MORE
    if (!isOf(codeAt(text, from), DIGIT)) return NONE
    if (!plus && !mayBegin(text, from)) return NONE
    groups.read(text, from)
    if (groups.open) return MORE
    for (let group = groups.count - 1; group >= 0; group--) if (isPhone(group, plus)) return groups.end(group)
    return NONE
  },
}

/** Whether the first group is one of isPhone's: most numbers are not, and need not be read further. */
function mayBegin(text: Codes, from: number): boolean {
  let at = from
  while (at - from <= DIGITS_MAX && isOf(codeAt(text, at), DIGIT)) at += 1
  if (at >= text.count) return true
  const first = codeAt(text, from)
  switch (at - from) {
    case 1:
      if (first !== code('1')) return false
      for (let separators = 0; separators < SEPARATORS_MAX && !isOf(codeAt(text, at), DIGIT); separators++) at += 1
      // Three digits and no more, as far as they are there.
      for (let digit = 0; digit < 3; digit++) {
        if (at + digit >= text.count) return true
        if (!isOf(codeAt(text, at + digit), DIGIT)) return false
      }
      return !isOf(codeAt(text, at + 3), ALPHANUMERIC)
    case 2:
      return first === code('0') || first === code('8')
    case 3:
    case 11:
    case 13:
      return true
    default:
      return first === code('0')
  }
}

function isPhone(last: number, plus: boolean): boolean {
  const digits = groups.total(last)
  const [first, second] = [groups.digit(0), groups.digit(1)]
  if (plus) return digits >= 8 && first !== 0
  const shaped = (lengths: string) => groups.isShaped(last, lengths)
  switch (digits) {
    case 10:
      if (first >= 2 && shaped('334')) return true
      break
    case 11:
      if (first === 1 && second >= 3 && (groups.length(0) === 11 || shaped('344'))) return true
      if (first === 1 && shaped('1334')) return true
      break
    case 13:
      if (
        first === 8 &&
        second === 6 &&
        (groups.length(0) === 13 || (last === 1 && groups.length(0) === 2) || shaped('2344'))
      )
        return true
      break
  }
  if (first !== 0) return false
  if (second === 0) return digits >= 10
  if (digits < 9 || digits > 12) return false
  // French ones come in pairs; two short groups first are a date.
  return shaped('22222') || (groups.length(0) <= 6 && last > 0 && groups.length(1) >= 3)
}
