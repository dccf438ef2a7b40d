/**
 * The filter's own code inside workerd, so often per request that the request itself does not count. workerd's clocks stand still while
 * JavaScript runs: the bench measures from outside.
 */
import type { ModelEvent, ModelEventStream } from '../../../src/chat/ports.ts'
import type { FilterRule, FilterRules } from '../../../src/contract/filter-rules.ts'
import { compiledSets, tenantFilters } from '../../../src/filter/tenant-filters.ts'
import { type Material, tokensOf } from './material.ts'

export type Scenario = 'english' | 'chinese' | 'personal-data' | 'no-rules' | 'compile' | 'stream' | 'stream-bare'
export type Job = { scenario: Scenario; times: number; material: Material }

const rule = (fields: Partial<FilterRule> & { name: string }): FilterRules['rules'][number] => ({
  action: 'mask',
  on: 'both',
  match: 'auto',
  ...fields,
})

let job: Job | undefined
let filters: ReturnType<typeof tenantFilters> | undefined

function rulesOf(tenantId: string, { words }: Material): FilterRules | undefined {
  if (tenantId === 'no-rules') return undefined
  const list = rule({ name: 'list', words })
  const data = rule({
    name: 'data',
    action: 'redact',
    detect: ['email', 'phone', 'card', 'iban', 'chinese_id', 'ip', 'secret'],
  })
  return { version: 1, rules: tenantId === 'personal-data' ? [list, data] : [list] }
}

function newFilters(material: Material) {
  const known = new Map<string, FilterRules | undefined>()
  return tenantFilters(
    compiledSets((tenantId) => {
      if (!known.has(tenantId)) known.set(tenantId, rulesOf(tenantId, material))
      return known.get(tenantId)
    }),
  )
}

async function run({ scenario, times, material }: Job): Promise<number> {
  if (scenario === 'compile') {
    for (let time = 0; time < times; time++) newFilters(material).of('english')
    return times
  }
  if (scenario === 'stream' || scenario === 'stream-bare') return streamed(scenario, times, material)
  const text = scenario === 'chinese' ? material.chinese : material.english
  let seen = 0
  for (let time = 0; time < times; time++) {
    // Another object each time, as each request is, and the length so that no work is left out.
    const filter = await filters?.of(scenario)
    const request = {
      kind: 'chat' as const,
      body: { model: 'm', messages: [{ role: 'user' as const, content: text }] },
    }
    seen += filter ? filter.input(request).flags.length : text.length
  }
  return seen
}

/** An answer of 4 kB, an event a token, through the output filter or past it. */
async function streamed(scenario: Scenario, times: number, material: Material): Promise<number> {
  const events = tokensOf(material.english).map(
    (content): ModelEvent => ({
      id: 'c',
      object: 'chat.completion.chunk',
      created: 1,
      model: 'm',
      choices: [{ index: 0, delta: { content }, finish_reason: null, token_ids: [1] }],
    }),
  )
  let seen = 0
  for (let time = 0; time < times; time++) {
    const filter = scenario === 'stream' ? await filters?.of('english') : undefined
    const source = oneByOne(events)
    for await (const batch of filter ? filter.output(source, () => undefined, []) : source) seen += batch.length
  }
  return seen
}

function oneByOne(events: readonly ModelEvent[]): ModelEventStream {
  let at = 0
  return {
    [Symbol.asyncIterator]: () => ({
      async next() {
        const event = events[at++]
        return event ? { done: false, value: [event] } : { done: true, value: undefined }
      },
    }),
  }
}

export default {
  async fetch(request: Request): Promise<Response> {
    const given = (await request.json()) as Partial<Job> // Sound: only the bench asks.
    job = { ...(job as Job), ...given }
    if (given.material) filters = newFilters(given.material)
    return Response.json({ seen: job.times > 0 ? await run(job) : 0 })
  },
}
