/** Tells at the end of each choice what the input filter found. Changes nothing else. */
import type { ModelEvent, ModelEventStream } from '../chat/ports.ts'
import type { FilterFlag } from '../contract/filter-rules.ts'

export function flagEnds(events: ModelEventStream, flags: readonly FilterFlag[]): ModelEventStream {
  const source = events[Symbol.asyncIterator]()
  const iterator: AsyncIterator<readonly ModelEvent[], undefined> = {
    async next() {
      const step = await source.next()
      return step.done ? { done: true, value: undefined } : { done: false, value: flaggedEnds(step.value, flags) }
    },
    async return() {
      await source.return?.()
      return { done: true, value: undefined }
    },
  }
  return { [Symbol.asyncIterator]: () => iterator }
}

export function flaggedEnds(events: readonly ModelEvent[], flags: readonly FilterFlag[]): ModelEvent[] {
  return events.map((event) => {
    if (event.choices.every(({ finish_reason }) => finish_reason === null)) return event
    const choices = event.choices.map((choice) =>
      choice.finish_reason === null ? choice : { ...choice, perigee: { ...choice.perigee, flags: [...flags] } },
    )
    // Sound: each choice keeps its kind.
    return { ...event, choices } as ModelEvent
  })
}
