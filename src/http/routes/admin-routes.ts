/** `/admin/routes`: the deployments that models are routed to. Each change is a version of the whole document. */
import * as z from 'zod/mini'
import { deploymentConfigSchema, deploymentIdSchema, type WrittenDeployment } from '../../contract/routing-config.ts'
import { AppError } from '../../errors.ts'
import { listObject, pageFields } from '../page-query.ts'
import { readJson } from '../read-json.ts'
import { readQuery } from '../read-query.ts'
import type { AppContext, Route } from '../route.ts'
import { answerVersion, appliedOf, editOf, READ_ROUTING, WRITE_ROUTING } from '../routing-change.ts'

const LIST = z.strictObject(pageFields(deploymentIdSchema))

export const listDeployments: Route = {
  ...READ_ROUTING,
  method: 'GET',
  path: '/admin/routes',
  async handle(context) {
    const { limit, after = '' } = readQuery(context, LIST)
    const { config, number } = await context.get('ports').routing.current()
    const ids = Object.keys(config.deployments)
      .filter((id) => id > after)
      .sort()
    const page = { data: ids.slice(0, limit), hasMore: ids.length > limit }
    const shown = (id: string) => deploymentObject(id, config.deployments[id])
    return answerVersion(
      context,
      listObject(page, shown, (id) => id),
      number,
    )
  },
}

export const getDeployment: Route = {
  ...READ_ROUTING,
  method: 'GET',
  path: '/admin/routes/:id',
  async handle(context) {
    const id = idOf(context)
    const { config, number } = await context.get('ports').routing.current()
    if (!Object.hasOwn(config.deployments, id)) throw noSuchDeployment()
    return answerVersion(context, deploymentObject(id, config.deployments[id]), number)
  },
}

export const putDeployment: Route = {
  ...WRITE_ROUTING,
  method: 'PUT',
  path: '/admin/routes/:id',
  body: 'text',
  async handle(context) {
    const id = idOf(context)
    if (!deploymentIdSchema.safeParse(id).success) {
      throw new AppError('invalid_request', 'id must be letters, digits, dots, dashes and underscores, at most 64.', {
        param: 'id',
      })
    }
    const change = editOf(context)
    const given = await readJson(context, deploymentConfigSchema)
    const outcome = await context.get('ports').routing.apply({
      ...change,
      edit: (config) => ({ ...config, deployments: { ...config.deployments, [id]: given } }),
    })
    const { config, number } = appliedOf(outcome, noSuchDeployment)
    return answerVersion(context, deploymentObject(id, config.deployments[id]), number)
  },
}

export const deleteDeployment: Route = {
  ...WRITE_ROUTING,
  method: 'DELETE',
  path: '/admin/routes/:id',
  async handle(context) {
    const id = idOf(context)
    const outcome = await context.get('ports').routing.apply({
      ...editOf(context),
      edit(config) {
        if (!Object.hasOwn(config.deployments, id)) return undefined
        const { [id]: _, ...deployments } = config.deployments
        return { ...config, deployments }
      },
    })
    const { number } = appliedOf(outcome, noSuchDeployment)
    return answerVersion(context, { id, object: 'deployment.deleted', deleted: true }, number)
  },
}

function idOf(context: AppContext): string {
  return context.req.param('id') ?? ''
}

function noSuchDeployment(): AppError {
  return new AppError('resource_not_found', 'There is no such deployment. GET /admin/routes lists those there are.')
}

function deploymentObject(id: string, config: WrittenDeployment | undefined): object {
  return { id, object: 'deployment', ...config }
}
