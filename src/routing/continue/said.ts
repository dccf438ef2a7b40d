/** What an answer has said so far, choice by choice, as far as another deployment must know it to go on. */
import type { ModelEvent } from '../../chat/ports.ts'

export type SaidChoice = {
  index: number
  /** Of a chat answer its content, of a text completion its text. */
  text: string
  /** UTF-16 code units of the names and arguments of tool calls. */
  callChars: number
  hasCalls: boolean
  /** Something that we cannot hand over was said: a model's reasoning, a refusal, audio. */
  hasOther: boolean
  /** Every token so far, where the model told of all. */
  ids: number[] | undefined
  /** Events that said something: most often a token each. */
  pieces: number
  /** Its first event has gone by, which told the role. */
  opened: boolean
  finished: boolean
}

export type Said = {
  add(events: readonly ModelEvent[]): void
  choice(index: number): SaidChoice
  /** Undefined until the model has told. */
  promptIds(): readonly number[] | undefined
  /** Another model begins: its ids are others. */
  forgetPromptIds(): void
  /** Whether the caller has anything of the answer itself. */
  isEmpty(): boolean
  unfinished(): readonly SaidChoice[]
  /** The first event: whatever comes later belongs to the same answer. */
  head(): ModelEvent | undefined
}

/** Fields of a delta that say nothing of the model's. */
const SILENT = new Set(['role', 'content', 'tool_calls'])

export function said(choices: number): Said {
  let head: ModelEvent | undefined
  let promptIds: readonly number[] | undefined
  const all = Array.from({ length: choices }, (_, index) => emptyChoice(index))

  function of(index: number): SaidChoice {
    const known = all[index]
    if (known) return known
    // A server that numbers choices nobody asked for: src/upstream/model-event.ts refuses them.
    return emptyChoice(index)
  }

  return {
    add(events) {
      for (const event of events) {
        head ??= event
        if ('prompt_token_ids' in event && event.prompt_token_ids) promptIds = event.prompt_token_ids
        for (const piece of event.choices) {
          if ('prompt_token_ids' in piece && piece.prompt_token_ids) promptIds = piece.prompt_token_ids
          addPiece(of(piece.index), piece)
        }
      }
    },
    choice: of,
    promptIds: () => promptIds,
    forgetPromptIds() {
      promptIds = undefined
    },
    isEmpty: () => all.every((choice) => choice.pieces === 0 && !choice.ids?.length && !choice.finished),
    unfinished: () => all.filter(({ finished }) => !finished),
    head: () => head,
  }
}

/** Usual text of most languages. */
const CHARS_PER_TOKEN = 4

/** Counted where the model told, else guessed. */
export function tokensOf({ ids, pieces, text, callChars }: SaidChoice): number {
  return ids?.length ?? Math.max(pieces, Math.ceil((text.length + callChars) / CHARS_PER_TOKEN))
}

function emptyChoice(index: number): SaidChoice {
  return {
    index,
    text: '',
    callChars: 0,
    hasCalls: false,
    hasOther: false,
    ids: [],
    pieces: 0,
    opened: false,
    finished: false,
  }
}

function addPiece(choice: SaidChoice, piece: ModelEvent['choices'][number]): void {
  choice.opened = true
  const said = 'text' in piece ? sayText(choice, piece.text) : sayDelta(choice, piece.delta)
  if (said) choice.pieces += 1
  if (piece.token_ids) {
    if (choice.ids) for (const id of piece.token_ids) choice.ids.push(id)
  } else if (said) choice.ids = undefined
  if (piece.finish_reason !== null && piece.finish_reason !== undefined) choice.finished = true
}

function sayText(choice: SaidChoice, text: string): boolean {
  choice.text += text
  return text !== ''
}

function sayDelta(choice: SaidChoice, delta: { content?: unknown; [field: string]: unknown }): boolean {
  let said = false
  const { content, tool_calls } = delta
  if (typeof content === 'string' && content !== '') {
    choice.text += content
    said = true
  }
  if (Array.isArray(tool_calls)) {
    for (const { function: called } of tool_calls as CallPiece[]) {
      choice.hasCalls = true
      choice.callChars += lengthOf(called?.name) + lengthOf(called?.arguments)
      said = true
    }
  }
  for (const field in delta) {
    if (SILENT.has(field)) continue
    const value = delta[field]
    if (value === null || value === '' || value === undefined) continue
    choice.hasOther = true
    said = true
  }
  return said
}

type CallPiece = { function?: { name?: unknown; arguments?: unknown } | null }

function lengthOf(value: unknown): number {
  return typeof value === 'string' ? value.length : 0
}
