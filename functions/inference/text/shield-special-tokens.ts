/**
 * Keeps a caller's words from ending their turn: where a message spells a special token (`<|im_end|>`), a mark is put into the spelling
 * before the chat template sees it. The tokenizer then finds only the special tokens that the template wrote, and takes the marks out
 * before it cuts the text between them into words: all other tokens are those of the text without marks.
 *
 * The mark stands inside the spelling, not around the message, so that templates which trim or split a message work as before.
 */

/** A noncharacter: Unicode reserves it for uses like this one. Where a prompt is read with marks, a caller's own is taken out, too. */
export const SHIELD = '\uFDD0'

export type Shield = <Value>(value: Value) => Value

/**
 * @param specials what the special tokens are called; one of a single UTF-16 code unit has no inside to be marked, and is left alone
 * @returns a function that marks all strings within a JSON value, names of fields included, and leaves anything else as it is
 */
export function createShield(specials: readonly string[]): Shield {
  const spellings = specials.filter(({ length }) => length > 1).map(spelling)
  if (spellings.length === 0) return (value) => value
  const pattern = new RegExp(spellings.join('|'), 'g')
  const mark = (text: string) => text.replace(pattern, `$&${SHIELD}`)

  const shield = (value: unknown): unknown => {
    if (typeof value === 'string') return mark(value)
    if (Array.isArray(value)) return value.map(shield)
    if (typeof value !== 'object' || value === null) return value
    return Object.fromEntries(Object.entries(value).map(([name, field]) => [mark(name), shield(field)]))
  }
  // Sound because every part of a JSON value is replaced by one of the same kind.
  return <Value>(value: Value) => shield(value) as Value
}

/**
 * Matches the first code unit of a special token that the text spells, or begins to spell where it ends: a template may put the next text
 * right behind it.
 */
function spelling(special: string): string {
  const [first = '', ...rest] = special.split('').map((unit) => unit.replace(/[\\^$.*+?()[\]{}|/-]/, '\\$&'))
  return `${first}(?=${rest.reduceRight((following, unit) => `(?:${unit}${following}|$)`, '')})`
}
