/** The routing document as those who may change it see it: planned, applied whole, listed, rolled back. */
import type { RoutingConfig } from '../contract/routing-config.ts'
import { AppError } from '../errors.ts'
import type { ExpectedVersion, RoutingAdmin, RoutingRecord } from '../http/ports.ts'
import { type CheckRules, checkConfig } from './check-config.ts'
import { diffConfig, keptDiff } from './diff-config.ts'
import type { RoutingStore } from './routing-store.ts'

/** Of a writer who says no version: so often another may come first before he is told. */
const TRIES_MAX = 5

export function routingAdmin(options: {
  store: Pick<RoutingStore, 'newest' | 'version' | 'versions' | 'add'>
  rules: CheckRules
  /** What holds until something is applied: version 0. */
  ofSettings: RoutingConfig
}): RoutingAdmin {
  const { store, rules, ofSettings } = options
  const first: RoutingRecord = { number: 0, comment: '', diff: { count: 0, changes: [] }, config: ofSettings }
  const current = async () => (await store.newest()) ?? first
  const versionAt = async (number: number) => (number === 0 ? first : store.version(number))

  type Edit = Parameters<RoutingAdmin['apply']>[0] & { rolledBackTo?: number }
  const apply = async (change: Edit): ReturnType<RoutingAdmin['apply']> => {
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      const held = await current()
      if (!isExpected(change.expected, held.number)) return { outcome: 'stale' }
      const config = change.edit(held.config)
      if (config === undefined) return { outcome: 'missing' }
      const problems = checkConfig(config, rules)
      if (problems.length > 0) return { outcome: 'refused', problems }
      const diff = diffConfig(held.config, config)
      if (diff.length === 0) return { outcome: 'unchanged', record: held }
      const record = await store.add({
        basedOn: held.number,
        config,
        diff: keptDiff(diff),
        comment: change.comment,
        by: { keyId: change.by.keyId, userId: change.by.userId },
        rolledBackTo: change.rolledBackTo,
      })
      if (record) return { outcome: 'stored', record }
    }
    throw new AppError('stale_write', 'Others change the configuration all the time. Send it again.')
  }

  return {
    current,
    version: versionAt,
    versions: store.versions,
    apply,

    async plan(config) {
      const held = await current()
      return { version: held.number, problems: checkConfig(config, rules), diff: diffConfig(held.config, config) }
    },

    async rollBack({ to, ...change }) {
      const target = await versionAt(to)
      if (!target) return { outcome: 'missing' }
      return apply({ ...change, edit: () => target.config, rolledBackTo: to })
    },
  }
}

/** `none`: nothing was ever applied. */
function isExpected(expected: ExpectedVersion, number: number): boolean {
  if (expected === 'any') return true
  return expected === 'none' ? number === 0 : expected === number
}
