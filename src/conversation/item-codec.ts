/**
 * Items as they lie in a conversation's rows. The only place that knows what a body looks like in storage: encryption, or another
 * body, is a new schema version here.
 */
import * as z from 'zod/mini'
import type { ErrorCode } from '../errors.ts'

/** Raise when a body changes; `decodeItem` must go on to read every older version. */
const SCHEMA_VERSION = 1

const count = z.int().check(z.nonnegative())
const text = z.string()
const atMs = count

const BODIES = {
  /** Instructions that stand before all turns and are never dropped. */
  system: z.object({ text, atMs }),
  /** `userLabel` is the `user_id` of the request: a label, never authority. */
  user: z.object({ text, atMs, userLabel: z.string() }),
  assistant: z.object({
    text,
    atMs,
    /** The alias that was asked. Token counts hold for this model only. */
    model: z.string(),
    finishReason: z.string(),
    /** The first item that the model was shown (not counting system items), and what the model said it read and wrote. */
    promptFromSeq: count,
    promptTokens: z.optional(count),
    completionTokens: z.optional(count),
  }),
  /** The mark on a turn that got no answer; its parent is the user's item. `code` is of src/errors.ts. */
  failure: z.object({ atMs, code: z.string() }),
}

export type ItemKind = keyof typeof BODIES
export type ItemContent = { [Kind in ItemKind]: { kind: Kind; body: z.infer<(typeof BODIES)[Kind]> } }[ItemKind]

/** `seq` is the order in which items were committed, from 1; `parentId` the item that this one follows. */
export type Item = ItemContent & { seq: number; itemId: string; parentId: string | null }

export type AssistantBody = Extract<ItemContent, { kind: 'assistant' }>['body']

/** A row of the table `item`. */
export type ItemRow = {
  seq: number
  item_id: string
  parent_id: string | null
  kind: string
  body: ArrayBuffer
  schema_version: number
}

export function failureItem(code: ErrorCode, nowMs: number): ItemContent {
  return { kind: 'failure', body: { atMs: nowMs, code } }
}

/** JSON in UTF-8. A lone surrogate survives as an escape, so every string comes back as it was. */
export function encodeItem(content: ItemContent): { kind: ItemKind; body: Uint8Array; schemaVersion: number } {
  return {
    kind: content.kind,
    body: new TextEncoder().encode(JSON.stringify(content.body)),
    schemaVersion: SCHEMA_VERSION,
  }
}

/** Throws when the row was written by a later release or is damaged: an item is never guessed at. */
export function decodeItem(row: ItemRow): Item {
  if (row.schema_version !== SCHEMA_VERSION) throw new Error(`Item of unknown schema version ${row.schema_version}`)
  const place = { seq: row.seq, itemId: row.item_id, parentId: row.parent_id }
  const body: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(row.body))
  switch (row.kind) {
    case 'system':
      return { ...place, kind: 'system', body: BODIES.system.parse(body) }
    case 'user':
      return { ...place, kind: 'user', body: BODIES.user.parse(body) }
    case 'assistant':
      return { ...place, kind: 'assistant', body: BODIES.assistant.parse(body) }
    case 'failure':
      return { ...place, kind: 'failure', body: BODIES.failure.parse(body) }
    default:
      throw new Error(`Item of unknown kind ${row.kind}`)
  }
}
