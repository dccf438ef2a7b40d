/** What `npm run config` shows of a plan. */
import { expect, test } from 'vitest'
import { diffText } from '../../scripts/config/diff-text.ts'

const CHANGES = [
  { path: 'deployments.b', change: 'added', after: { adapter: 'openai' } },
  { path: 'models.chat.targets.0.weight', change: 'changed', before: 1, after: 3 },
  { path: 'models.old', change: 'removed', before: { targets: [] } },
] as const

test('a plan is a line a change, coloured where somebody looks', () => {
  expect(diffText(CHANGES, { colour: false })).toBe(
    [
      '+ deployments.b: {"adapter":"openai"}',
      '~ models.chat.targets.0.weight: 1 -> 3',
      '- models.old: {"targets":[]}',
    ].join('\n'),
  )
  const [added, changed, removed] = diffText(CHANGES, { colour: true }).split('\n')
  expect([added, changed, removed].map((line) => line?.slice(0, 5))).toEqual(['\u001b[32m', '\u001b[33m', '\u001b[31m'])
  expect(added?.endsWith('\u001b[0m')).toBe(true)
})

test('a value that was too large to be kept is not shown, and no name moves the cursor', () => {
  expect(diffText([{ path: 'models.chat', change: 'added' }], { colour: false })).toBe('+ models.chat')
  const odd = { path: 'models.chat.targets.0.when.metadata.\u001b[2J', change: 'removed', before: '\u001b[2J' } as const
  expect(diffText([odd], { colour: false })).not.toContain('\u001b')
})
