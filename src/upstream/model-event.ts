/** One event of OpenAI's stream from its text: what it is, checked as far as we rely on it. */
import type { ModelEvent } from '../chat/ports.ts'

/**
 * `silent`: JSON that cannot hold a token, as a server's ping: it is skipped. `malformed` could have held one: whoever skipped it would
 * show a whole answer that lacks something.
 */
export type ParsedEvent =
  | { kind: 'event'; event: ModelEvent; finishedChoices: readonly number[] }
  | { kind: 'error'; body: unknown }
  | { kind: 'silent' }
  | { kind: 'malformed' }

/** What an adapter makes of one event's `data`. `done`: the endpoint says that its answer is over. */
export type ReadEvent = (
  data: string,
) =>
  | ParsedEvent
  | { kind: 'events'; events: readonly ModelEvent[]; finishedChoices: readonly number[] }
  | { kind: 'done' }

const MALFORMED: ParsedEvent = { kind: 'malformed' }
const SILENT: ParsedEvent = { kind: 'silent' }
const NONE: readonly number[] = []

/** Finish reasons by which some servers say that they failed. */
const FAILED = new Set(['error', 'abort'])

/**
 * By hand rather than by schema: this runs for every token. Fields that we do not read are passed on as they came.
 * @param choicesMax how many were asked for
 */
export function parseModelEvent(data: string, choicesMax = 16): ParsedEvent {
  if (data === '') return SILENT
  let value: unknown
  try {
    value = JSON.parse(data)
  } catch {
    return MALFORMED
  }
  if (!isRecord(value)) return MALFORMED
  if (value.error) return { kind: 'error', body: value }
  // No choices at all, not even an empty list: a ping, or a server's note of its own.
  if (value.choices === undefined) return SILENT
  if (!Array.isArray(value.choices)) return MALFORMED
  let finishedChoices = NONE
  for (const choice of value.choices) {
    if (!isChoice(choice, choicesMax)) return MALFORMED
    if (typeof choice.finish_reason !== 'string') continue
    if (FAILED.has(choice.finish_reason)) return { kind: 'error', body: undefined }
    finishedChoices = [...finishedChoices, choice.index]
  }
  // It is billed by: what is no usage is as good as none.
  if (value.usage && !isUsage(value.usage)) delete value.usage
  if (value.prompt_token_ids && !Array.isArray(value.prompt_token_ids)) delete value.prompt_token_ids
  // Sound: choices are checked above, and every reader treats the other fields as things to pass on.
  return { kind: 'event', event: value as unknown as ModelEvent, finishedChoices }
}

type Choice = { index: number; finish_reason?: unknown }

function isChoice(choice: unknown, choicesMax: number): choice is Choice {
  if (!isRecord(choice)) return false
  const { index, delta, text, token_ids } = choice
  if (!Number.isInteger(index) || Number(index) < 0 || Number(index) >= choicesMax) return false
  if (token_ids !== undefined && token_ids !== null && !Array.isArray(token_ids)) return false
  if (!isRecord(delta)) return typeof text === 'string'
  const { content, tool_calls } = delta
  if (typeof content !== 'string' && content !== undefined && content !== null) return false
  return tool_calls === undefined || tool_calls === null || (Array.isArray(tool_calls) && tool_calls.every(isRecord))
}

function isUsage(usage: unknown): boolean {
  return isRecord(usage) && isCount(usage.prompt_tokens) && isCount(usage.completion_tokens)
}

function isCount(value: unknown): boolean {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
