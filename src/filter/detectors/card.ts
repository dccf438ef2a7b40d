/** Numbers of payment cards: 13 to 19 digits, at once or in groups as they are printed, whose check digit is right (Luhn, ISO/IEC 7812-1). */
import { codeAt, type Detector, DIGIT, isOf, MORE, NONE } from './detector.ts'
import { DigitGroups } from './digit-groups.ts'

const DIGITS_MIN = 13
const DIGITS_MAX = 19

const groups = new DigitGroups({ digitsMax: DIGITS_MAX, groupsMax: 6, separators: ' -', separatorsMax: 1 })

export const card: Detector = {
  label: '[CARD]',
  longest: DIGITS_MAX * 2 - 1,
  // No network's numbers begin with another digit.
  starts: '23456',
  scan(text, at) {
    let first = at
    while (first - at <= DIGITS_MAX && isOf(codeAt(text, first), DIGIT)) first += 1
    // In print the first four stand apart.
    if (first < text.count && first - at !== 4 && first - at < DIGITS_MIN) return NONE
    groups.read(text, at)
    if (groups.open) return MORE
    for (let group = groups.count - 1; group >= 0 && groups.total(group) >= DIGITS_MIN; group--) {
      if (isLuhn(groups.total(group))) return groups.end(group)
    }
    return NONE
  },
}

function isLuhn(length: number): boolean {
  let sum = 0
  for (let index = 0; index < length; index++) {
    const digit = groups.digit(length - 1 - index)
    const doubled = index % 2 === 1 ? digit * 2 : digit
    sum += doubled > 9 ? doubled - 9 : doubled
  }
  return sum % 10 === 0
}
