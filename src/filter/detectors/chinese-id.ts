/** Citizens' identity numbers of China (GB 11643): region, date of birth, sequence, and a check character modulo 11. */
import { ALPHANUMERIC, codeAt, type Detector, DIGIT, isOf, MORE, NONE, textBetween } from './detector.ts'

const LENGTH = 18
const WEIGHTS = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2]
const CHECKS = '10X98765432'

export const chineseId: Detector = {
  label: '[ID]',
  longest: LENGTH,
  starts: '123456789',
  scan(text, at) {
    let end = at
    while (end - at < LENGTH - 1 && isOf(codeAt(text, end), DIGIT)) end += 1
    if (end >= text.count) return text.final ? NONE : MORE
    if (end - at < LENGTH - 1) return NONE
    end += 1
    if (end >= text.count && !text.final) return MORE
    return !isOf(codeAt(text, end), ALPHANUMERIC) && isId(textBetween(text, at, end).toUpperCase()) ? end : NONE
  },
}

function isId(id: string): boolean {
  if (!/^[1-9]\d{5}(18|19|20)\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])/.test(id)) return false
  const sum = WEIGHTS.reduce((total, weight, index) => total + weight * Number(id[index]), 0)
  return CHECKS[sum % 11] === id[LENGTH - 1]
}
