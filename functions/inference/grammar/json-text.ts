/** The parts of JSON that every grammar here is made of. What they allow is a subset of JSON that leaves nothing to say out: see each. */
import {
  anyOf,
  characters,
  contains,
  EVERY_CHARACTER,
  type GrammarWriter,
  literal,
  type Ranges,
  SchemaError,
  subtract,
} from './grammar-writer.ts'

/**
 * Space between the parts: none, one space, or a new line and an indent, as models were taught to write JSON. JSON allows any amount, in which
 * a model that has lost its way would go on for ever.
 */
export const space = (writer: GrammarWriter): string => writer.rule(`"" | " " | "\\n" " "{0,${INDENT_MAX}}`)
const INDENT_MAX = 16

/** One character of a string's value that lies in the ranges, however JSON writes it: itself where it may stand, else escaped. */
export function stringCharacter(writer: GrammarWriter, ranges: Ranges): string {
  const plain = characters(subtract(ranges, MUST_BE_ESCAPED))
  const alternatives = plain === null ? [] : [plain]
  for (const [code, escaped] of ESCAPES) if (contains(ranges, code)) alternatives.push(literal(escaped))
  if (alternatives.length === 0) throw new SchemaError('#', 'a pattern asks for characters of which there are too many')
  return writer.rule(alternatives.join(' | '))
}

/** Any string. How long it may be is no matter of the grammar: see string-limits.ts. */
export function anyString(writer: GrammarWriter): string {
  return writer.rule(`"\\"" ${stringCharacter(writer, EVERY_CHARACTER)}* "\\""`)
}

/** At most 15 digits, which every reader of JSON takes exactly. */
export const anyInteger = (writer: GrammarWriter): string => writer.rule('"-"? ("0" | [1-9] [0-9]{0,14})')
/** Without exponents: whatever has one can be written without, up to the digits that a double has. */
export const anyNumber = (writer: GrammarWriter): string =>
  writer.rule('"-"? ("0" | [1-9] [0-9]{0,14}) ("." [0-9]{1,15})?')

/** Any JSON value, nested as deep as the answer has room. */
export function anyValue(writer: GrammarWriter): string {
  return freeJson(writer).value
}
export function anyObject(writer: GrammarWriter): string {
  return freeJson(writer).object
}

type FreeJson = { value: string; object: string; array: string }
const written = new WeakMap<GrammarWriter, FreeJson>()

function freeJson(writer: GrammarWriter): FreeJson {
  const known = written.get(writer)
  if (known !== undefined) return known
  const value = writer.reserve()
  const between = space(writer)
  const text = anyString(writer)
  const member = writer.rule(`${text} ":" ${between} ${value.name}`)
  const object = writer.rule(`"{" ${between} (${member} (${between} "," ${between} ${member})*)? ${between} "}"`)
  const array = writer.rule(`"[" ${between} (${value.name} (${between} "," ${between} ${value.name})*)? ${between} "]"`)
  value.define(anyOf([text, anyNumber(writer), object, array, '"true"', '"false"', '"null"']))
  const free = { value: value.name, object, array }
  written.set(writer, free)
  return free
}

/** What JSON lets nobody write plainly within a string (RFC 8259, section 7), and U+007F, which models never mean. */
const MUST_BE_ESCAPED: Ranges = [
  [0, 0x1f],
  [0x22, 0x22],
  [0x5c, 0x5c],
]
const ESCAPES: ReadonlyMap<number, string> = new Map(
  [...Array.from({ length: 0x20 }, (_, code) => code), 0x22, 0x5c].map((code) => [
    code,
    JSON.stringify(String.fromCharCode(code)).slice(1, -1),
  ]),
)
