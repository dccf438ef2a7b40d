/**
 * Hashes of the beginnings of a prompt, so that requests which begin alike can be sent where that beginning was read before. Cut where
 * later requests are likely to go on or to part: before each answer, after a long system prompt, and at some lengths within long texts.
 * The edge has no tokenizer; these are of characters. Hashes are not cryptographic and leave out most of long texts: two beginnings
 * that are wrongly taken for one cost the time to read a prompt, and nobody can meet another tenant's, which is in every hash.
 */
import type { ModelRequest } from './ports.ts'
import { textsOf } from './prompt-texts.ts'

/** A beginning shorter than this is read faster than it is looked for. */
const SYSTEM_CHARS_LEAST = 256
/** The first cut within a text; each next is four times as far. */
const FIRST_CUT_CHARS = 1_024
/** Of the places before answers these last ones are kept, and before them those whose number is a power of two. */
const LAST_TURNS = 8

/** The longest first; at most some thirty. */
export function promptPrefixes(tenantId: string, request: ModelRequest): readonly string[] {
  const hash = rollingHash()
  hash.mix(tenantId)
  hash.mix(request.body.model)
  hash.begin()
  if (request.kind === 'text') {
    const { prompt } = request.body
    hash.text(typeof prompt === 'string' ? prompt : prompt.slice(0, TOKENS_MIXED).join(' '))
  } else mixChat(request.body, hash)
  return hash.end()
}

/** Of a prompt that is given as token ids. */
const TOKENS_MIXED = 16_384

function mixChat(body: Extract<ModelRequest, { kind: 'chat' }>['body'], hash: RollingHash): void {
  // Templates put the tools first.
  if (Array.isArray(body.tools)) {
    for (const tool of body.tools) {
      for (const text of [tool?.function?.name, tool?.function?.description])
        if (typeof text === 'string') hash.text(text)
    }
  }
  let isSystem = true
  for (const message of body.messages) {
    if (isSystem && message.role !== 'system' && message.role !== 'developer') {
      isSystem = false
      hash.cutSystem()
    }
    // Where a prompt of an earlier turn ended.
    if (message.role === 'assistant') hash.cutTurn()
    hash.mix(message.role)
    for (const text of textsOf(message)) hash.text(text)
    const { content } = message
    if (Array.isArray(content)) for (const { image_url: image } of content) if (image) hash.mix(urlOf(image))
  }
}

/** An image's beginning and length tell it from others. */
function urlOf(image: unknown): string {
  const url = typeof image === 'string' ? image : (image as { url?: unknown }).url
  return typeof url === 'string' ? `${url.length}${url.slice(0, 256)}` : ''
}

type RollingHash = ReturnType<typeof rollingHash>

/** Two lanes of 32 bits, mixed as in MurmurHash; 52 bits of them make a name. */
function rollingHash() {
  let high = 0x9e37_79b9
  let low = 0x85eb_ca6b
  let chars = 0
  let nextCut = FIRST_CUT_CHARS
  /** In the order of the prompt. */
  const cuts: string[] = []
  /** Names are only made of the turns that are kept. */
  const turns: { high: number; low: number; at: number }[] = []

  function add(code: number): void {
    high = Math.imul(high ^ code, 0x9e37_79b1)
    low = Math.imul(low ^ code ^ (high >>> 15), 0x5f35_6495)
  }
  function mix(name: string): void {
    for (let at = 0; at < name.length; at++) add(name.charCodeAt(at))
    add(name.length + 0x10000)
  }
  function cut(): void {
    cuts.push(nameOf(high, low))
  }

  return {
    /** All of a short text. */
    mix,
    /** What comes now is the prompt. */
    begin() {
      chars = 0
    },
    /** Some of a text that may be long, always the same of the same beginning. */
    text(text: string): void {
      let at = 0
      while (at < text.length) {
        const end = Math.min(text.length, at + nextCut - chars)
        let next = at
        for (; next < end; next += stepAt(next)) add(text.charCodeAt(next))
        chars += end - at
        at = end
        if (chars < nextCut) continue
        cut()
        nextCut *= 4
      }
      // The question after a long document.
      for (let last = Math.max(text.length - LAST_CHARS, 0); last < text.length; last++) add(text.charCodeAt(last))
      add(text.length + 0x10000)
    },
    cutSystem() {
      if (chars >= SYSTEM_CHARS_LEAST) cut()
    },
    cutTurn() {
      turns.push({ high, low, at: cuts.length })
    },
    end(): readonly string[] {
      turns.push({ high, low, at: cuts.length })
      const names: string[] = []
      let cutsTaken = 0
      for (const [index, turn] of turns.entries()) {
        while (cutsTaken < turn.at) names.push(cuts[cutsTaken++] ?? '')
        const isKept = turns.length - index <= LAST_TURNS || (index & (index + 1)) === 0
        if (isKept) names.push(nameOf(turn.high, turn.low))
      }
      return names.reverse()
    },
  }
}

/** Of a text's end, all of which counts. */
const LAST_CHARS = 128

/** The beginning of a text tells most. */
function stepAt(at: number): number {
  if (at < 256) return 1
  return at < 4_096 ? 4 : 64
}

/** Four characters of 13 bits, none of them half of a pair: a tenth of the time that digits take. */
function nameOf(high: number, low: number): string {
  let top = Math.imul(high ^ (high >>> 16), 0x85eb_ca6b) ^ low
  top = Math.imul(top ^ (top >>> 13), 0xc2b2_ae35)
  top ^= top >>> 16
  let bottom = Math.imul(low ^ (low >>> 16), 0xc2b2_ae35) ^ high
  bottom = Math.imul(bottom ^ (bottom >>> 13), 0x85eb_ca6b)
  bottom ^= bottom >>> 16
  const bits = (from: number) => 0x4000 | (from & 0x1fff)
  return String.fromCharCode(bits(top), bits(top >>> 13), bits(bottom), bits(bottom >>> 13))
}
