/** In which ways a deployment may take up a choice of an answer, the best first. */
import type { Deployment, Route } from '../../chat/ports.ts'
import { CONTINUATIONS } from '../../contract/continuation.ts'
import type { Way } from '../open-somewhere.ts'
import { byAssistant } from './by-assistant.ts'
import { byInstruct } from './by-instruct.ts'
import { byTokenIds } from './by-token-ids.ts'
import { oneChoice } from './one-choice.ts'
import type { Said } from './said.ts'

export type AnswerSoFar = {
  call: Way['call']
  said: Said
  /** The first deployment's: its ids are those that are known. */
  model: string
  continueBy: Route['continueBy']
}

export function waysOn({ call, said, model, continueBy }: AnswerSoFar, index: number, target: Deployment): Way[] {
  const choice = said.choice(index)
  const makers = {
    token_ids: () => byTokenIds(call, choice, { promptIds: said.promptIds(), model }, target),
    assistant: () => byAssistant(call, choice),
    instruct: () => byInstruct(call, choice),
  }
  const ways = CONTINUATIONS.filter((by) => continueBy.includes(by) && target.continuation.includes(by)).flatMap(
    (by) => makers[by]() ?? [],
  )
  // Nothing of it was said: it begins, whatever the target can.
  return choice.pieces === 0 && !choice.ids?.length ? [...ways, anew(call, index)] : ways
}

/** Another seed for another choice: with the same one it would say what the first says. */
function anew(call: Way['call'], index: number): Way {
  return { call: { ...call, request: oneChoice(call.request), seed: call.seed + index } }
}
