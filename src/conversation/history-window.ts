/**
 * Which turns of a conversation the model is shown. Pure: items in, messages out.
 *
 * A turn without an answer (the model failed, or this object did) is shown with the turn after it, as one message, if the failure was
 * a passing one: what the user said is not lost, and the roles still alternate, as many chat templates demand. A turn that the model
 * refused for itself (too long, not allowed) is never shown again: it would spoil every turn after it.
 */
import type { Message } from '../contract/chat-completion.ts'
import { ERRORS } from '../errors.ts'
import type { Item } from './item-codec.ts'

export type Turn = { firstSeq: number; user: string; answer?: string }

/** What a chat template puts around each message: role, separators, in any template seen so far fewer than these tokens. */
const TEMPLATE_TOKENS_PER_MESSAGE = 16
/** What a template adds of its own, as a system prompt where none is given. */
const TEMPLATE_TOKENS = 128
/**
 * Words without an answer that become part of one message, in bytes: what a long message of plain text has. A program that says the
 * same again and again, each time a little different, while the model is down must not have all of it read when the model is back.
 */
export const UNANSWERED_BYTES_MAX = 262_144

/** The stored turns before the current one, oldest first. */
export function turnsOf(items: readonly Item[]): Turn[] {
  const turns: Turn[] = []
  let open: Turn | undefined
  for (const item of items) {
    if (item.kind === 'user') open = { firstSeq: item.seq, user: item.body.text }
    else if (item.kind === 'assistant' && open) turns.push({ ...open, answer: item.body.text })
    else if (item.kind === 'failure' && open && isPassing(item.body.code)) turns.push(open)
    if (item.kind !== 'user') open = undefined
  }
  return withBoundedUnanswered(turns)
}

/** Of the turns without an answer that come one after the other the newest that have UNANSWERED_BYTES_MAX together. */
function withBoundedUnanswered(turns: readonly Turn[]): Turn[] {
  const kept: Turn[] = []
  let next: Turn | undefined
  let bytes = 0
  for (const turn of turns.toReversed()) {
    if (turn.answer !== undefined) bytes = 0
    // Said twice is shown once.
    else if (next?.answer !== undefined || next?.user !== turn.user) bytes += utf8Bytes(turn.user)
    if (bytes <= UNANSWERED_BYTES_MAX) kept.push(turn)
    next = turn
  }
  return kept.reverse()
}

function isPassing(code: string): boolean {
  // A code of a later release, or one that was taken back: the user's words count for more.
  return !Object.hasOwn(ERRORS, code) || ERRORS[code as keyof typeof ERRORS].retryable
}

/** System texts, then the turns, then the current message. Words without an answer join the message after them, once if it repeats them. */
export function messagesOf(system: readonly string[], turns: readonly Turn[], message: string): Message[] {
  const messages: Message[] = system.map((content) => ({ role: 'system', content }))
  let unanswered: string[] = []
  for (const turn of [...turns, { user: message, answer: undefined }]) {
    if (unanswered.at(-1) !== turn.user) unanswered.push(turn.user)
    if (turn.answer === undefined) continue
    messages.push({ role: 'user', content: unanswered.join('\n\n') }, { role: 'assistant', content: turn.answer })
    unanswered = []
  }
  messages.push({ role: 'user', content: unanswered.join('\n\n') })
  return messages
}

/** No tokenizer makes more tokens of a text than it has bytes in UTF-8, since each token stands for one byte or more. */
export function tokensAtMost(system: readonly string[], turns: readonly Turn[], message: string): number {
  return TEMPLATE_TOKENS + addedTokensAtMost([...system, message], turns)
}

/** The same for texts and turns that come after a prompt whose tokens are known. */
export function addedTokensAtMost(texts: readonly string[], turns: readonly Turn[]): number {
  const of = (text: string): number => utf8Bytes(text) + TEMPLATE_TOKENS_PER_MESSAGE
  const ofTurn = (turn: Turn): number => of(turn.user) + (turn.answer === undefined ? 0 : of(turn.answer))
  return texts.reduce((sum, text) => sum + of(text), 0) + turns.reduce((sum, turn) => sum + ofTurn(turn), 0)
}

/**
 * The turns that stay when about `tokensToDrop` of `tokens` must go: the oldest go first, at least one. Each turn's share of the
 * tokens is its share of the bytes, which is near enough for a guess that is counted again.
 */
export function withoutOldest(
  turns: readonly Turn[],
  tokens: number,
  bytesAtMost: number,
  tokensToDrop: number,
): Turn[] {
  const tokensPerByte = tokens / bytesAtMost
  let dropped = 0
  let index = 0
  while (index < turns.length && (index === 0 || dropped < tokensToDrop)) {
    dropped += addedTokensAtMost([], turns.slice(index, index + 1)) * tokensPerByte
    index += 1
  }
  return turns.slice(index)
}

function utf8Bytes(text: string): number {
  return new TextEncoder().encode(text).byteLength
}
