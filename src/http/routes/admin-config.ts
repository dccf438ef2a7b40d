/** `/admin/config`: the routing document whole, its versions, what a new one would change, and the way back. */
import * as z from 'zod/mini'
import { rollbackSchema, routingConfigSchema, routingCursorSchema } from '../../contract/routing-config.ts'
import { AppError, type FieldProblem } from '../../errors.ts'
import { fieldProblem } from '../invalid-request.ts'
import { listObject, pageFields } from '../page-query.ts'
import { readJson } from '../read-json.ts'
import { readQuery } from '../read-query.ts'
import type { AppContext, Route } from '../route.ts'
import {
  answerVersion,
  appliedOf,
  editOf,
  READ_ROUTING,
  refused,
  versionObject,
  WRITE_ROUTING,
  wholeVersion,
} from '../routing-change.ts'

/** Mistakes that the schema finds, at most so many. */
const PROBLEMS_MAX = 100
const LIST = z.strictObject(pageFields(routingCursorSchema))

export const getConfig: Route = {
  ...READ_ROUTING,
  method: 'GET',
  path: '/admin/config',
  async handle(context) {
    const record = await context.get('ports').routing.current()
    return answerVersion(context, wholeVersion(record), record.number)
  },
}

export const putConfig: Route = {
  ...WRITE_ROUTING,
  method: 'PUT',
  path: '/admin/config',
  body: 'text',
  async handle(context) {
    const edit = editOf(context)
    const read = await readConfig(context)
    if ('problems' in read) throw refused(read.problems)
    const outcome = await context.get('ports').routing.apply({ ...edit, edit: () => read.config })
    const record = appliedOf(outcome, noSuchVersion)
    return answerVersion(context, wholeVersion(record), record.number)
  },
}

export const planConfig: Route = {
  ...READ_ROUTING,
  method: 'POST',
  path: '/admin/config/plan',
  body: 'text',
  async handle(context) {
    const { routing } = context.get('ports')
    const read = await readConfig(context)
    if ('problems' in read) {
      const { number } = await routing.current()
      return answerVersion(context, planObject(number, read.problems, []), number)
    }
    const { version, problems, diff } = await routing.plan(read.config)
    return answerVersion(context, planObject(version, problems, diff), version)
  },
}

export const listConfigVersions: Route = {
  ...READ_ROUTING,
  method: 'GET',
  path: '/admin/config/versions',
  async handle(context) {
    const page = await context.get('ports').routing.versions(readQuery(context, LIST))
    return context.json(listObject(page, versionObject, ({ number }) => String(number)))
  },
}

export const getConfigVersion: Route = {
  ...READ_ROUTING,
  method: 'GET',
  path: '/admin/config/versions/:number',
  async handle(context) {
    const number = context.req.param('number') ?? ''
    const record = /^\d{1,9}$/.test(number) ? await context.get('ports').routing.version(Number(number)) : undefined
    if (!record) throw noSuchVersion()
    return answerVersion(context, wholeVersion(record), record.number)
  },
}

export const rollBackConfig: Route = {
  ...WRITE_ROUTING,
  method: 'POST',
  path: '/admin/config/rollback',
  body: 'small',
  async handle(context) {
    const edit = editOf(context)
    const { version, comment = edit.comment } = await readJson(context, rollbackSchema)
    const record = appliedOf(
      await context.get('ports').routing.rollBack({ ...edit, comment, to: version }),
      noSuchVersion,
    )
    return answerVersion(context, wholeVersion(record), record.number)
  },
}

/** All that the schema finds wrong, not the first alone: a file is corrected in one go. */
async function readConfig(
  context: AppContext,
): Promise<{ config: z.output<typeof routingConfigSchema> } | { problems: FieldProblem[] }> {
  const body = await readJson(context, z.unknown())
  const parsed = routingConfigSchema.safeParse(body)
  if (parsed.success) return { config: parsed.data }
  return { problems: parsed.error.issues.slice(0, PROBLEMS_MAX).map((issue) => fieldProblem(issue, body)) }
}

function planObject(version: number, errors: readonly FieldProblem[], diff: readonly object[]) {
  return { object: 'routing_plan', version, valid: errors.length === 0, errors, changes: diff.length, diff }
}

function noSuchVersion(): AppError {
  return new AppError(
    'resource_not_found',
    'There is no such version. GET /admin/config/versions lists those there are.',
    { param: 'version' },
  )
}
