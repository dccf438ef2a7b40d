/** What a model answers, as the tenant's rules allow it: event by event, each choice by itself. A rule that blocks ends the answer. */
import type { ModelEvent, ModelEventStream } from '../chat/ports.ts'
import type { FinishReason, Usage } from '../contract/chat-completion.ts'
import type { FilterFlag } from '../contract/filter-rules.ts'
import type { CompiledRules } from './compile-rules.ts'
import { type DeltaFilter, deltaFilter, type Fields } from './filter-delta.ts'
import { flagsOf } from './flags.ts'
import { type WithheldTokens, withheldTokens } from './withheld-tokens.ts'

type Choice = ModelEvent['choices'][number]
type ChoiceState = { filter: DeltaFilter; tokens: WithheldTokens; ended: boolean }

export type OutputOptions = { blocked: () => void; flags: readonly FilterFlag[] }

/** By hand rather than as a generator: `return` must reach the model while `next` still waits. */
export function filterOutput(rules: CompiledRules, events: ModelEventStream, options: OutputOptions): ModelEventStream {
  const source = events[Symbol.asyncIterator]()
  const filter = batchFilter(rules, options.flags)

  const iterator: AsyncIterator<readonly ModelEvent[], undefined> = {
    async next() {
      for (;;) {
        if (filter.isBlocked()) return { done: true, value: undefined }
        const step = await source.next()
        if (step.done) return { done: true, value: undefined }
        const batch = filter.push(step.value)
        if (filter.isBlocked()) {
          options.blocked()
          await source.return?.()
        }
        if (batch.length > 0) return { done: false, value: batch }
      }
    },
    async return() {
      await source.return?.()
      return { done: true, value: undefined }
    },
  }
  return { [Symbol.asyncIterator]: () => iterator }
}

type BatchFilter = {
  /** What may go out of it, the same list when all of it may. After a block nothing is to be pushed any more. */
  push(batch: readonly ModelEvent[]): readonly ModelEvent[]
  isBlocked(): boolean
}

/** The filter of one answer, without waiting for anything. */
export function batchFilter(rules: CompiledRules, inputFlags: readonly FilterFlag[]): BatchFilter {
  const states = new Map<number, ChoiceState>()
  let promptTokens = 0
  let isBlocked = false

  function stateOf(index: number): ChoiceState {
    const known = states.get(index)
    if (known) return known
    const state = { filter: deltaFilter(rules), tokens: withheldTokens(), ended: false }
    states.set(index, state)
    return state
  }

  /** The event as it may go out; undefined when nothing is left of it. */
  function filtered(event: ModelEvent): ModelEvent | undefined {
    if ('prompt_token_ids' in event && event.prompt_token_ids) promptTokens = event.prompt_token_ids.length
    if (event.choices.length === 0) return event
    const choices = event.choices.map((choice) => filteredChoice(choice))
    if (choices.every((choice, index) => choice === event.choices[index])) return event
    if (choices.every(saysNothing) && !('prompt_token_ids' in event) && !event.usage) return undefined
    // Sound: each choice keeps its kind.
    return { ...event, choices } as ModelEvent
  }

  function filteredChoice(choice: Choice): Choice {
    const state = stateOf(choice.index)
    if ('prompt_token_ids' in choice && choice.prompt_token_ids) promptTokens = choice.prompt_token_ids.length
    const said = withSaid(state.tokens.take(choice), state.filter)
    if (state.filter.blockedBy() !== undefined) {
      isBlocked = true
      return ended(said, state, 'content_filter')
    }
    if (said.finish_reason === null) return said
    const whole = withRest(said, state.filter.end())
    if (state.filter.blockedBy() !== undefined) isBlocked = true
    return ended(whole, state, isBlocked ? 'content_filter' : said.finish_reason)
  }

  /** The last event of a choice: with what was withheld where that tells nothing, and with the flags. */
  function ended(choice: Choice, state: ChoiceState, reason: FinishReason): Choice {
    state.ended = true
    const flags = [...inputFlags, ...flagsOf(rules, state.filter.counts(), 'output')]
    const mayTell = !state.filter.changed() && reason !== 'content_filter'
    const told = mayTell ? state.tokens.all() : {}
    if (flags.length === 0 && Object.keys(told).length === 0 && reason === choice.finish_reason) return choice
    return {
      ...choice,
      ...told,
      finish_reason: reason,
      ...(flags.length > 0 ? { perigee: { ...choice.perigee, flags } } : {}),
    }
  }

  /** After a block: the ends of all other choices, and what the answer cost as far as is known. */
  function blockedEnd(last: ModelEvent): ModelEvent[] {
    const open = [...states].filter(([, { ended }]) => !ended)
    const ends = open.map(([index, state]) =>
      ended(
        last.object === 'text_completion'
          ? { index, text: '', finish_reason: null, logprobs: null }
          : { index, delta: {}, finish_reason: null },
        state,
        'content_filter',
      ),
    )
    const head = { id: last.id, object: last.object, created: last.created, model: last.model }
    const usage = usageSoFar()
    // Sound: the choices are of the kind of the event.
    return [
      ...(ends.length > 0 ? [{ ...head, choices: ends } as ModelEvent] : []),
      ...(usage ? [{ ...head, choices: [], usage } as ModelEvent] : []),
    ]
  }

  function usageSoFar(): Usage | undefined {
    let completionTokens = 0
    for (const { tokens } of states.values()) completionTokens += tokens.count()
    if (promptTokens + completionTokens === 0) return undefined
    return {
      prompt_tokens: promptTokens,
      completion_tokens: completionTokens,
      total_tokens: promptTokens + completionTokens,
    }
  }

  function filteredBatch(batch: readonly ModelEvent[]): readonly ModelEvent[] {
    const allowed: ModelEvent[] = []
    for (const event of batch) {
      const passed = filtered(event)
      if (passed) allowed.push(passed)
      if (isBlocked) return [...allowed, ...blockedEnd(event)]
    }
    return allowed.length === batch.length && allowed.every((event, index) => event === batch[index]) ? batch : allowed
  }

  return { push: filteredBatch, isBlocked: () => isBlocked }
}

/** With what it says filtered; the same object when that is the same. */
function withSaid(choice: Choice, filter: DeltaFilter): Choice {
  if ('text' in choice) {
    const text = filter.pushText('text', choice.text)
    return text === choice.text ? choice : { ...choice, text }
  }
  const delta = filter.push(choice.delta)
  return delta === choice.delta ? choice : { ...choice, delta }
}

/** With what was held back until the end. */
function withRest(choice: Choice, rest: Fields | undefined): Choice {
  if (!rest) return choice
  if ('text' in choice) return { ...choice, text: choice.text + String(rest.text ?? '') }
  const delta: Fields = { ...choice.delta }
  for (const [field, value] of Object.entries(rest)) delta[field] = joined(field, delta[field], value)
  return { ...choice, delta }
}

function joined(field: string, said: unknown, rest: unknown): unknown {
  if (typeof said === 'string' && typeof rest === 'string') return said + rest
  if (field === 'tool_calls' && Array.isArray(said) && Array.isArray(rest)) return [...said, ...rest]
  if (field === 'function_call' && typeof said === 'object' && said !== null) {
    const before = 'arguments' in said ? String(said.arguments ?? '') : ''
    return { ...said, arguments: before + String((rest as Fields).arguments ?? '') } // Sound: the filter made it.
  }
  return rest
}

function saysNothing(choice: Choice): boolean {
  if (choice.finish_reason !== null || choice.logprobs) return false
  if ('text' in choice) return choice.text === ''
  return Object.values(choice.delta).every((value) => value === '' || value === null || value === undefined)
}
