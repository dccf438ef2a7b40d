/** What a version says that it changed. */
import { expect, test } from 'vitest'
import type { RoutingConfig } from '../../../src/contract/routing-config.ts'
import { diffConfig, keptDiff } from '../../../src/registry/diff-config.ts'

const A = { adapter: 'openai', url: 'https://a.example.com', model: 'm' } as const
const BEFORE: RoutingConfig = {
  deployments: { a: A, b: { ...A, region: 'eu-west-1' } },
  models: { chat: { targets: [{ deployment: 'a', weight: 1 }, { deployment: 'b' }] } },
}

test('names each field that changed, in a fixed order, and nothing where nothing did', () => {
  expect(diffConfig(BEFORE, structuredClone(BEFORE))).toEqual([])
  const after: RoutingConfig = {
    // Another order is no change.
    models: { chat: { targets: [{ weight: 3, deployment: 'a' }] }, new: { targets: [{ deployment: 'a' }] } },
    deployments: { b: { ...A, model: 'm-2' }, a: A },
  }
  expect(diffConfig(BEFORE, after)).toEqual([
    { path: 'deployments.b.model', change: 'changed', before: 'm', after: 'm-2' },
    { path: 'deployments.b.region', change: 'removed', before: 'eu-west-1' },
    { path: 'models.chat.targets.0.weight', change: 'changed', before: 1, after: 3 },
    { path: 'models.chat.targets.1', change: 'removed', before: { deployment: 'b' } },
    { path: 'models.new', change: 'added', after: { targets: [{ deployment: 'a' }] } },
  ])
})

test('lists are compared in the order of their items, beyond the tenth too', () => {
  const chat = (weights: number[]): RoutingConfig => ({
    deployments: {},
    models: { chat: { targets: weights.map((weight, index) => ({ deployment: `d${index}`, weight })) } },
  })
  const ones = Array.from({ length: 12 }, () => 1)
  expect(diffConfig(chat(ones), chat(ones.map(() => 2))).map(({ path }) => path)).toEqual(
    ones.map((_, index) => `models.chat.targets.${index}.weight`),
  )
})

test('what is kept of a diff with a version is bounded, and says how much there was', () => {
  const many = Object.fromEntries(Array.from({ length: 150 }, (_, index) => [`d${index}`, A]))
  const kept = keptDiff(diffConfig(BEFORE, { ...BEFORE, deployments: many }))
  expect([kept.count, kept.changes.length]).toEqual([152, 100])
  const targets = Array.from({ length: 50 }, (_, index) => ({ deployment: `d${index}` }))
  const [large] = keptDiff(diffConfig(BEFORE, { ...BEFORE, models: { ...BEFORE.models, big: { targets } } })).changes
  expect(large).toEqual({ path: 'models.big', change: 'added' })
})
