/** `/admin/filters`: the rules of a tenant, each by its name. A change reaches every isolate within seconds. */
import * as z from 'zod/mini'
import { RULES_MAX, WORDS_MAX } from '../../contract/filter-bounds.ts'
import { type FilterRule, filterRuleSchema, RULE_BYTES_MAX, ruleNameSchema } from '../../contract/filter-rules.ts'
import type { Scope } from '../../contract/scopes.ts'
import { unixSeconds } from '../../contract/unix-seconds.ts'
import { AppError } from '../../errors.ts'
import { deletedObject } from '../deleted-object.ts'
import { entityTag, expectedVersion } from '../entity-tag.ts'
import { listObject, pageFields } from '../page-query.ts'
import type { FilterRuleSummary, StoredFilterRule } from '../ports.ts'
import { readJson } from '../read-json.ts'
import { readQuery } from '../read-query.ts'
import type { AppContext, Route } from '../route.ts'
import { targetTenant, tenantField, tenantQuery } from '../target-tenant.ts'

const READ = { errors: 'problem', access: { scope: 'filters:read' } } as const
const WRITE = { errors: 'problem', access: { scope: 'filters:write' } } as const
const LIST = z.strictObject({ ...pageFields(ruleNameSchema), ...tenantField })

export const listFilters: Route = {
  ...READ,
  method: 'GET',
  path: '/admin/filters',
  async handle(context) {
    const { tenant_id, ...page } = readQuery(context, LIST)
    const rules = await context.get('ports').filterRules.list(targetTenant(context, tenant_id, 'tenants:read'), page)
    return answer(
      context,
      listObject(rules, summary, ({ name }) => name),
    )
  },
}

export const getFilter: Route = {
  ...READ,
  method: 'GET',
  path: '/admin/filters/:name',
  async handle(context) {
    const stored = await context.get('ports').filterRules.get(tenantOf(context, 'tenants:read'), nameOf(context))
    if (!stored) throw noSuchRule()
    return answer(context, whole(stored), stored.version)
  },
}

export const putFilter: Route = {
  ...WRITE,
  method: 'PUT',
  path: '/admin/filters/:name',
  body: 'text',
  async handle(context) {
    const name = nameOf(context)
    const tenantId = tenantOf(context, 'tenants:write')
    const expected = expectedVersion(context)
    const rule = await readJson(context, filterRuleSchema)
    const { filterRules } = context.get('ports')
    refuseUnusable(rule, filterRules.unusableWord(rule))
    const put = await filterRules.put(tenantId, name, rule, expected)
    if (put.outcome === 'stored') {
      return answer(context, whole({ name, rule, version: put.version, updatedAtMs: put.updatedAtMs }), put.version)
    }
    if (put.outcome === 'stale') throw stale()
    throw new AppError('invalid_request', `A tenant may have ${RULES_MAX} rules and ${WORDS_MAX} words at most.`)
  },
}

export const deleteFilter: Route = {
  ...WRITE,
  method: 'DELETE',
  path: '/admin/filters/:name',
  async handle(context) {
    const name = nameOf(context)
    const tenantId = tenantOf(context, 'tenants:write')
    const outcome = await context.get('ports').filterRules.delete(tenantId, name, expectedVersion(context))
    if (outcome === 'missing') throw noSuchRule()
    if (outcome === 'stale') throw stale()
    return answer(context, deletedObject('filter', name))
  },
}

function tenantOf(context: AppContext, scope: Scope): string {
  return targetTenant(context, readQuery(context, tenantQuery).tenant_id, scope)
}

function answer(context: AppContext, body: object, version?: number): Response {
  return context.json(body, 200, {
    'cache-control': 'no-store',
    ...(version === undefined ? {} : { etag: entityTag(version) }),
  })
}

function nameOf(context: AppContext): string {
  const name = context.req.param('name') ?? ''
  if (ruleNameSchema.safeParse(name).success) return name
  throw new AppError('invalid_request', 'name must be lower-case letters, digits, "_" and "-", at most 64.', {
    param: 'name',
  })
}

/** What the schema cannot know. */
function refuseUnusable(rule: FilterRule, word: number | undefined): void {
  if (word !== undefined) {
    throw new AppError('invalid_request', `words.${word} has no visible character.`, { param: `words.${word}` })
  }
  if (new TextEncoder().encode(JSON.stringify(rule)).length > RULE_BYTES_MAX) {
    throw new AppError('invalid_request', `words must have ${RULE_BYTES_MAX} bytes at most. Split them into rules.`, {
      param: 'words',
    })
  }
}

function noSuchRule(): AppError {
  return new AppError('resource_not_found', 'There is no such filter rule. GET /admin/filters lists those there are.', {
    param: 'name',
  })
}

function stale(): AppError {
  return new AppError('stale_write', 'The rule is not what the condition says. Read it again, then write.')
}

function summary({ wordCount, updatedAtMs, ...rule }: FilterRuleSummary) {
  return { ...rule, word_count: wordCount, updated_at: unixSeconds(updatedAtMs) }
}

function whole({ rule, ...stored }: StoredFilterRule) {
  const { words, ...rest } = rule
  return {
    ...summary({ ...stored, ...rest, wordCount: words?.length ?? 0 }),
    ...(words === undefined ? {} : { words }),
  }
}
