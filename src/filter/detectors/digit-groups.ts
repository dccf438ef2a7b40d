/** Groups of digits with separators between them, as telephone and card numbers are written. */
import { type Codes, codeAt, DIGIT, isOf, LETTERS } from './detector.ts'

const ROOM = 32

export class DigitGroups {
  readonly #digitsMax: number
  readonly #separatorsMax: number
  readonly #separators: string
  readonly #groupsMax: number
  readonly #digits = new Uint8Array(ROOM)
  /** Of each group: digits up to and with it, and the index after it. */
  readonly #totals = new Uint8Array(ROOM)
  readonly #ends = new Int32Array(ROOM)
  count = 0
  /** The text ends in the middle: more may belong to it. */
  open = false

  /** One for all scans of a detector: they are many, and each is over before the next begins. */
  constructor(options: { digitsMax: number; groupsMax: number; separators: string; separatorsMax: number }) {
    this.#digitsMax = options.digitsMax
    this.#groupsMax = options.groupsMax
    this.#separators = options.separators
    this.#separatorsMax = options.separatorsMax
  }

  /** A group that letters follow does not count, nor one that goes on beyond the most, nor what comes after. */
  read(text: Codes, from: number): void {
    this.count = 0
    this.open = false
    let at = from
    let digits = 0
    for (;;) {
      while (isOf(codeAt(text, at), DIGIT)) {
        if (digits >= this.#digitsMax) return
        this.#digits[digits++] = codeAt(text, at++) - 0x30
      }
      const ended = at >= text.count
      if (ended && !text.final) {
        this.open = true
        return
      }
      if (isOf(codeAt(text, at), LETTERS)) return
      this.#totals[this.count] = digits
      this.#ends[this.count++] = at
      if (this.count >= this.#groupsMax) return
      const group = at
      while (at - group < this.#separatorsMax && this.#separates(codeAt(text, at))) at += 1
      if (at >= text.count && !text.final && at > group) {
        this.open = true
        return
      }
      if (at === group || !isOf(codeAt(text, at), DIGIT)) return
    }
  }

  #separates(character: number): boolean {
    return character > 0 && this.#separators.includes(String.fromCharCode(character))
  }

  /** Digits up to and with that group. */
  total(group: number): number {
    return group < 0 ? 0 : (this.#totals[group] as number)
  }

  length(group: number): number {
    return this.total(group) - this.total(group - 1)
  }

  end(group: number): number {
    return this.#ends[group] as number
  }

  digit(index: number): number {
    return this.#digits[index] as number
  }

  /** Whether the groups up to and with that one have these lengths, each a digit. */
  isShaped(group: number, lengths: string): boolean {
    if (lengths.length !== group + 1) return false
    for (let index = 0; index <= group; index++) {
      if (this.length(index) !== lengths.charCodeAt(index) - 0x30) return false
    }
    return true
  }
}
