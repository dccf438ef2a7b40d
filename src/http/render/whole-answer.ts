/** A remembered answer as its caller asked for it: rendered once for all who ask so. */
import { assembleWholeChat, assembleWholeText } from '../../chat/assemble.ts'
import type { CallerView } from '../../chat/caller-view.ts'
import type { ModelEvent } from '../../chat/ports.ts'
import { DONE, eventText } from './event-stream.ts'

type Shape = { kind: 'chat' | 'text'; isStream: boolean; view: CallerView }

/** By the list of its events, so for as long as the cache has it; at most eight shapes of each. */
const rendered = new WeakMap<readonly ModelEvent[], Map<string, string>>()

/** The body: one JSON document, or all events of a stream. The list must not be changed any more. */
export function wholeAnswerText(events: readonly ModelEvent[], shape: Shape): string {
  const { kind, isStream, view } = shape
  const name = `${kind}${isStream ? ` stream${view.usage ? ' usage' : ''}` : ''}${view.tokenIds ? ' ids' : ''}`
  let texts = rendered.get(events)
  if (!texts) {
    texts = new Map()
    rendered.set(events, texts)
  }
  const known = texts.get(name)
  if (known !== undefined) return known
  const text = isStream ? eventText(events, view) + DONE : JSON.stringify(assembled(events, shape))
  texts.set(name, text)
  return text
}

function assembled(events: readonly ModelEvent[], { kind, view }: Shape): object {
  return kind === 'chat' ? assembleWholeChat(events, view) : assembleWholeText(events, view)
}
