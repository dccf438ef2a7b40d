/** What the routes that change the routing document have in common: how one says what it replaces, and how its outcome is told. */
import * as z from 'zod/mini'
import { versionCommentSchema } from '../contract/routing-config.ts'
import { unixSeconds } from '../contract/unix-seconds.ts'
import { AppError, type FieldProblem } from '../errors.ts'
import { entityTag, expectedVersion } from './entity-tag.ts'
import type { RoutingOutcome, RoutingRecord, RoutingVersion } from './ports.ts'
import { readQuery } from './read-query.ts'
import { type AppContext, principalOf } from './route.ts'

export const READ_ROUTING = { errors: 'problem', access: { scope: 'routing:read' } } as const
export const WRITE_ROUTING = { errors: 'problem', access: { scope: 'routing:write' } } as const

const QUERY = z.strictObject({ comment: z.optional(versionCommentSchema) })

/** By `If-Match`, which is of the whole document's version, and `?comment=`. */
export function editOf(context: AppContext) {
  const { comment = '' } = readQuery(context, QUERY)
  return { by: principalOf(context), comment, expected: expectedVersion(context) }
}

/** The record that holds from now on. Throws what the outcome means to the caller. */
export function appliedOf(outcome: RoutingOutcome, missing: () => AppError): RoutingRecord {
  switch (outcome.outcome) {
    case 'stored':
    case 'unchanged':
      return outcome.record
    case 'missing':
      throw missing()
    case 'stale':
      throw new AppError('stale_write', 'The configuration is not the version that the condition says. Read it again.')
    case 'refused':
      throw refused(outcome.problems)
  }
}

/** All mistakes at once; the sentence tells the first. */
export function refused(problems: readonly FieldProblem[]): AppError {
  const [first] = problems
  if (!first) throw new Error('What is refused has a reason.')
  const others = problems.length > 1 ? ` There are ${problems.length - 1} other mistakes: see errors.` : ''
  const subject = first.param === '' ? 'The configuration' : first.param
  return new AppError('invalid_request', `Nothing was changed: ${subject} ${first.detail}.${others}`, {
    ...(first.param === '' ? {} : { param: first.param }),
    details: { errors: problems },
  })
}

export function answerVersion(context: AppContext, body: object, number: number): Response {
  return context.json(body, 200, { 'cache-control': 'no-store', etag: entityTag(number) })
}

export function versionObject({ number, created, comment, rolledBackTo, diff }: RoutingVersion) {
  return {
    object: 'routing_version',
    version: number,
    created_at: created ? unixSeconds(created.atMs) : null,
    created_by: created
      ? { key_id: created.keyId, ...(created.userId === undefined ? {} : { user_id: created.userId }) }
      : null,
    comment,
    ...(rolledBackTo === undefined ? {} : { rolled_back_to: rolledBackTo }),
    changes: diff.count,
    diff: diff.changes,
  }
}

export function wholeVersion(record: RoutingRecord) {
  return { ...versionObject(record), config: record.config }
}
