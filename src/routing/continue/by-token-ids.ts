/**
 * Goes on from the very tokens: the target replays them, with penalties, stop strings, grammar and tool parser, so what follows is what the
 * dead replica would have said, tool calls and structured output included.
 */
import type { Deployment, ModelRequest } from '../../chat/ports.ts'
import type { Way } from '../open-somewhere.ts'
import { oneChoice } from './one-choice.ts'
import type { SaidChoice } from './said.ts'

/** Undefined where it cannot be right: not all ids are known, or the target is another model, whose ids mean other words. */
export function byTokenIds(
  call: Way['call'],
  choice: SaidChoice,
  known: { promptIds: readonly number[] | undefined; model: string },
  target: Deployment,
): Way | undefined {
  const { promptIds, model } = known
  if (promptIds === undefined || choice.ids === undefined || choice.hasOther) return undefined
  if (target.model !== model || promptIds.length === 0 || hasEcho(call.request)) return undefined
  return {
    by: 'token_ids',
    call: {
      ...call,
      request: oneChoice(call.request),
      continueFrom: {
        prompt_token_ids: [...promptIds],
        output_token_ids: [...choice.ids],
        sent_chars: choice.text.length + choice.callChars,
        ...(choice.index > 0 ? { choice: choice.index } : {}),
      },
    },
  }
}

/** What is echoed counts as text, and is none of the answer's tokens. */
function hasEcho({ body }: ModelRequest): boolean {
  return body.echo === true
}
