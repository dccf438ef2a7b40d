/** What the edge has to say of an answer on routes that have no choices: what rules found in it or in its request, and that a budget ended it. */
import type { AnswerNote, ChoiceNote } from '../contract/chat-completion.ts'
import { STOP_REASON } from './cut-short.ts'

/** Empty where there is nothing to say. A server's own `stop_reason` is not ours to promise. */
export function answerNote(choice: { perigee?: ChoiceNote; finish_reason: unknown } | undefined): AnswerNote {
  if (choice === undefined) return {}
  const cut = 'stop_reason' in choice && choice.stop_reason === STOP_REASON
  return {
    ...(choice.perigee?.flags ? { flags: choice.perigee.flags } : {}),
    ...(cut ? { stop_reason: STOP_REASON } : {}),
  }
}
