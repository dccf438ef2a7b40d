/**
 * Goes on by a turn of the user's, where a model takes nothing but turns: it quotes the end of the answer and asks to go on from the last
 * word. That word is to be said again: only then can the join tell a word that was cut from one that was whole (trim-overlap.ts).
 */
import type { Way } from '../open-somewhere.ts'
import { byAssistant, withPartial } from './by-assistant.ts'
import { mayGoOnInWords } from './may-go-on-in-words.ts'
import { oneChoice } from './one-choice.ts'
import { type SaidChoice, tokensOf } from './said.ts'
import { shortened } from './shortened.ts'

/** Of the answer's end, quoted: enough to find the place. The whole is in the turn before. */
const QUOTED_CHARS = 200

/** Undefined where it cannot be right. A text completion needs no turn: there is nobody to be asked. */
export function byInstruct(call: Way['call'], choice: SaidChoice): Way | undefined {
  if (call.request.kind === 'text') {
    const way = byAssistant(call, choice)
    return way && { ...way, by: 'instruct' }
  }
  if (!mayGoOnInWords(call.request, choice)) return undefined
  const request = oneChoice(call.request)
  if (request.kind !== 'chat') return undefined
  const { continue_final_message, add_generation_prompt: _, ...body } = request.body
  const messages = withPartial(body.messages, choice.text, continue_final_message === true)
  if (messages === undefined) return undefined
  messages.push({ role: 'user', content: instruction(choice.text) })
  return {
    by: 'instruct',
    call: {
      ...call,
      request: { kind: 'chat', body: { ...body, ...shortened(body, tokensOf(choice)), messages } },
    },
  }
}

/** What the request is longer by than the one that was first asked, besides the answer so far. */
export function instruction(text: string): string {
  const end = text.slice(-QUOTED_CHARS)
  return (
    'Your answer above was cut off by a technical fault before it was finished. It ends with:\n' +
    `"""${end}"""\n` +
    `Go on from its last word: begin with "${lastWord(end)}" and write what comes after it, as if nothing had happened. ` +
    'Do not begin anew, do not repeat anything else, do not say anything about the interruption.'
  )
}

/** What stands after the last white space; of a language without spaces, some characters. */
export function lastWord(text: string): string {
  const word = text.trimEnd().split(/\s/).at(-1) ?? ''
  return word.slice(-LAST_WORD_CHARS_MAX)
}

const LAST_WORD_CHARS_MAX = 40
