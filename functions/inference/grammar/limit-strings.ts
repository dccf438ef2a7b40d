/**
 * Follows JSON as it is written, byte by byte, and says whether the strings keep to their lengths; see string-limits.ts. What it follows is
 * valid JSON, since a grammar has seen to that; text before and behind is skipped by whoever calls.
 */

import type { Lengths } from './string-grammar.ts'
import { intersection, itemOf, propertyOf, type StringLimits } from './string-limits.ts'

export type LimitFollower = {
  /** False when a string has become too long or has ended too short; nothing can be pushed then. */
  push(bytes: Uint8Array): boolean
  /** For looking at what a token would do. */
  copy(): LimitFollower
  /** Of the string that is being written, and is of limited length: characters that must, and that may still come. */
  open(): { needed: number; room: number; isInEscape: boolean } | null
  /** The value is complete; what is pushed now is not looked at. */
  isOver(): boolean
}

type Frame = {
  isArray: boolean
  nodes: readonly number[]
  /** Items before this one. */
  place: number
  key: string
}
type State = {
  stack: readonly Frame[]
  /** Whether the next string is a property's name. */
  isKeyNext: boolean
  /** Within a string: its limits, its length so far, what it says if that matters, bytes of an escape still to come. */
  text: { lengths: Lengths; isKey: boolean; chars: number; raw: number[]; escape: number } | null
  isOver: boolean
}

const QUOTE = 0x22
const BACKSLASH = 0x5c
/** Of `\u` and its four digits, without the backslash. */
const UNICODE_ESCAPE_BYTES = 5
const UNLIMITED: Lengths = { min: 0, max: null }
/** Names and constants that matter are short; what is longer is none of them. */
const RAW_BYTES_MAX = 4_096

export function createLimitFollower(limits: NonNullable<StringLimits>): LimitFollower {
  const { nodes, root } = limits
  return follow({ stack: [], isKeyNext: false, text: null, isOver: false })

  function follow(state: State): LimitFollower {
    return {
      push: (bytes) => bytes.every((byte) => step(state, byte)),
      copy: () => follow({ ...state, text: state.text && { ...state.text, raw: [...state.text.raw] } }),
      open() {
        const { text } = state
        if (text === null || text.isKey || (text.lengths.max === null && text.lengths.min === 0)) return null
        const { min, max } = text.lengths
        return {
          needed: min - text.chars,
          room: (max ?? Number.POSITIVE_INFINITY) - text.chars,
          isInEscape: text.escape > 0,
        }
      },
      isOver: () => state.isOver,
    }
  }

  function step(state: State, byte: number): boolean {
    if (state.isOver) return true
    if (state.text !== null) return stepInText(state, state.text, byte)
    const top = state.stack.at(-1)
    switch (byte) {
      case QUOTE:
        openText(state, top)
        return true
      case 0x7b: // {
      case 0x5b: // [
        push(state, { isArray: byte === 0x5b, nodes: nodesHere(top), place: 0, key: '' })
        return true
      case 0x7d: // }
      case 0x5d: // ]
        state.stack = state.stack.slice(0, -1)
        closed(state)
        return true
      case 0x2c: // ,
        if (top !== undefined) replaceTop(state, { ...top, place: top.place + 1 })
        state.isKeyNext = top?.isArray === false
        return true
      default:
        return true
    }
  }

  function stepInText(state: State, text: NonNullable<State['text']>, byte: number): boolean {
    const { lengths } = text
    if (text.raw.length < RAW_BYTES_MAX) text.raw.push(byte)
    if (text.escape > 0) {
      const isBegin = text.escape === UNICODE_ESCAPE_BYTES
      text.escape = isBegin && byte !== 0x75 ? 0 : text.escape - 1
      return true
    }
    if (byte === QUOTE) {
      text.raw.pop()
      state.text = null
      closeText(state, text)
      return text.isKey || text.chars >= lengths.min
    }
    // A byte that goes on with a character is no character.
    if ((byte & 0xc0) === 0x80) return true
    if (byte === BACKSLASH) text.escape = UNICODE_ESCAPE_BYTES
    text.chars++
    return text.isKey || text.chars <= (lengths.max ?? Number.POSITIVE_INFINITY)
  }

  function openText(state: State, top: Frame | undefined) {
    const isKey = state.isKeyNext
    const texts = isKey ? [] : nodesHere(top).flatMap((id) => nodes[id]?.text ?? [])
    state.text = { lengths: intersection(texts) ?? UNLIMITED, isKey, chars: 0, raw: [], escape: 0 }
  }

  function closeText(state: State, { isKey, raw }: NonNullable<State['text']>) {
    const top = state.stack.at(-1)
    if (top === undefined) return closed(state)
    const said = spelled(raw)
    if (isKey) {
      state.isKeyNext = false
      return replaceTop(state, { ...top, key: said })
    }
    if (top.isArray || top.nodes.length < 2) return
    // Whatever is not this object by what was just said.
    replaceTop(state, {
      ...top,
      nodes: top.nodes.filter((id) => {
        const constants = nodes[id]?.constants ?? {}
        return !Object.hasOwn(constants, top.key) || constants[top.key]?.includes(said)
      }),
    })
  }

  function nodesHere(top: Frame | undefined): readonly number[] {
    if (top === undefined) return root
    const found = top.nodes.flatMap((id) => {
      const node = nodes[id] ?? {}
      return top.isArray ? itemOf(node, top.place) : propertyOf(node, top.key)
    })
    return [...new Set(found)]
  }

  function push(state: State, frame: Frame) {
    state.stack = [...state.stack, frame]
    state.isKeyNext = !frame.isArray
  }

  function replaceTop(state: State, frame: Frame) {
    state.stack = [...state.stack.slice(0, -1), frame]
  }

  function closed(state: State) {
    state.isKeyNext = false
    if (state.stack.length === 0) state.isOver = true
  }
}

function spelled(raw: readonly number[]): string {
  const text = Buffer.from(raw).toString('utf8')
  if (!text.includes('\\')) return text
  try {
    return String(JSON.parse(`"${text}"`))
  } catch {
    return text
  }
}
