/**
 * One answer under a grammar: which tokens may be next. Three things decide: the grammar itself, the lengths of strings, and near the
 * limit of tokens the shortest way to a complete answer, which is then the only one that is left.
 */
import type { GrammarMatcher } from '@mlc-ai/web-xgrammar'
import type { GrammarSource } from '../../grammar/grammar-source.ts'
import { createLimitFollower, type LimitFollower } from '../../grammar/limit-strings.ts'
import { isTextSoFar, type TokenTable, unfinished } from '../../grammar/token-table.ts'

export type GrammarSession = {
  /** Bits of the ids that may be next, 32 to an element. Never empty. @param left tokens that the answer may still have */
  mask(left: number): Promise<Int32Array>
  /** False when the grammar does not allow the token. */
  accept(id: number): boolean
  /** `accept` for a token that was drawn elsewhere, when so many were left: decides what `mask` decided there before it was drawn. */
  replay(id: number, left: number): Promise<boolean>
  close(): void
}

export type SessionOptions = {
  source: GrammarSource
  matcher: GrammarMatcher
  table: TokenTable
  eosTokenIds: readonly number[]
}

/** The longest way to an end that is looked for; an answer that needs more is not helped to end in time. */
const WAY_MAX = 384
/** Tokens after which it is looked for again where none was found. */
const LOOK_AGAIN = 64
/** Each token may make the way longer, by few tokens on the average: the more are to spare, the later is the next look. */
const TOKENS_PER_LOOK = 8
/** A token that is drawn may begin an object with properties of its own that have to be there, too. */
const SURPRISE_MAX = 64

export function createGrammarSession({ source, matcher, table, eosTokenIds }: SessionOptions): GrammarSession {
  const begin = source.tag === undefined ? null : Buffer.from(source.tag.begin)
  let follower: LimitFollower | null = null
  /** Bytes of `begin` that were just seen. */
  let begun = 0
  /** Bytes of a character that is not whole. */
  let tail: number[] = []
  /** The way from here to the end, if it is known: as long as it is gone, it need not be looked for again. */
  let way: number[] | null = null
  let firstWay: number | null = null
  /** The way is not looked for as long as there are more tokens left. */
  let nextLook = Number.POSITIVE_INFINITY
  if (source.limits !== null && begin === null) follower = createLimitFollower(source.limits)

  /** Whether the strings keep to their lengths. */
  function follow(token: Uint8Array): boolean {
    tail = unfinished([...tail, ...token])
    if (source.limits === null) return true
    for (const byte of token) {
      if (follower !== null && !follower.isOver()) {
        if (!follower.push(Uint8Array.of(byte))) return false
        continue
      }
      if (begin === null) continue
      begun = byte === begin[begun] ? begun + 1 : byte === begin[0] ? 1 : 0
      if (begun < begin.length) continue
      begun = 0
      follower = createLimitFollower(source.limits)
    }
    return true
  }

  async function allowed(): Promise<Int32Array> {
    const mask = await matcher.getNextTokenBitmask()
    if (follower !== null && !follower.isOver()) keepLengths(mask, follower)
    keepText(mask)
    return mask
  }

  function keepText(mask: Int32Array) {
    for (const id of table.broken) remove(mask, id)
    if (tail.length > 0) keepOnly(mask, (id) => isTextSoFar([...tail, ...table.bytes(id)]))
  }

  function keepLengths(mask: Int32Array, now: LimitFollower) {
    const open = now.open()
    const isTight = open !== null && (open.needed > 0 || open.room < table.charsMax || open.isInEscape)
    keepOnly(mask, (id) => {
      const quote = table.quote[id] ?? 0
      if (quote === 2 || (isTight && open.isInEscape)) return now.copy().push(table.bytes(id))
      return !isTight || fits(open, table.charsInString[id] ?? 0, quote === 1)
    })
  }

  /** The ids of the shortest way to a complete answer that a simple rule finds, its end token included; null if it finds none. */
  async function wayToEnd(): Promise<number[] | null> {
    const found: number[] = []
    const before = { follower: follower?.copy() ?? null, begun, tail }
    let steps = 0
    let hasEnded = false
    while (found.length < WAY_MAX && !hasEnded) {
      const id = hastiest(await allowed())
      hasEnded = eosTokenIds.includes(id)
      if (!hasEnded) {
        if (id < 0 || !matcher.acceptToken(id)) break
        steps++
        if (!follow(table.bytes(id))) break
      }
      found.push(id)
    }
    if (steps > 0) matcher.rollBack(steps)
    follower = before.follower
    begun = before.begun
    tail = before.tail
    return hasEnded ? found : null
  }

  function hastiest(mask: Int32Array): number {
    const end = eosTokenIds.find((id) => has(mask, id))
    return end ?? table.byHaste.find((id) => has(mask, id)) ?? -1
  }

  /**
   * The one token that may be next if the way has to be followed, else null. When the next look is follows from what the looks before found:
   * so an answer that goes on elsewhere has to look there wherever it looked here, or it would take to the way at another token.
   */
  async function decide(left: number): Promise<number | null> {
    if (left > nextLook) return null
    way ??= await wayToEnd()
    firstWay ??= Math.min(way?.length ?? 0, SURPRISE_MAX)
    if (way === null) {
      nextLook = left - LOOK_AGAIN
      return null
    }
    const spare = left - way.length - firstWay
    nextLook = left - Math.max(1, Math.floor(spare / TOKENS_PER_LOOK))
    // An answer that may end here needs no help.
    return spare > 0 || way.length === 1 ? null : (way[0] ?? null)
  }

  function accept(id: number): boolean {
    way = way?.[0] === id ? way.slice(1) : null
    return matcher.acceptToken(id) && (eosTokenIds.includes(id) || follow(table.bytes(id)))
  }

  return {
    async mask(left) {
      const next = await decide(left)
      return next === null ? allowed() : only(Math.ceil(table.size / 32), next)
    },
    accept,
    async replay(id, left) {
      await decide(left)
      return accept(id)
    },
    close: () => matcher.dispose(),
  }
}

const has = (mask: Int32Array, id: number) => (((mask[id >> 5] ?? 0) >>> (id & 31)) & 1) === 1
function remove(mask: Int32Array, id: number) {
  mask[id >> 5] = (mask[id >> 5] ?? 0) & ~(1 << (id & 31))
}

function only(length: number, id: number): Int32Array {
  const mask = new Int32Array(length)
  mask[id >> 5] = 1 << (id & 31)
  return mask
}

function keepOnly(mask: Int32Array, isGood: (id: number) => boolean) {
  for (let word = 0; word < mask.length; word++) {
    let bits = mask[word] ?? 0
    while (bits !== 0) {
      const id = word * 32 + 31 - Math.clz32(bits & -bits)
      if (!isGood(id)) remove(mask, id)
      bits &= bits - 1
    }
  }
}

function fits(open: { needed: number; room: number } | null, chars: number, isClosing: boolean): boolean {
  return open === null || (chars <= open.room && (!isClosing || chars >= open.needed))
}
