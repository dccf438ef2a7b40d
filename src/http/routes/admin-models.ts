/** `/admin/models`: the aliases that callers use, and what each stands for. Each change is a version of the whole document. */
import * as z from 'zod/mini'
import { aliasSchema, type ModelConfig, modelConfigSchema } from '../../contract/routing-config.ts'
import { AppError } from '../../errors.ts'
import { listObject, pageFields } from '../page-query.ts'
import { readJson } from '../read-json.ts'
import { readQuery } from '../read-query.ts'
import type { AppContext, Route } from '../route.ts'
import { answerVersion, appliedOf, editOf, READ_ROUTING, WRITE_ROUTING } from '../routing-change.ts'

const LIST = z.strictObject(pageFields(aliasSchema))

export const listModelAliases: Route = {
  ...READ_ROUTING,
  method: 'GET',
  path: '/admin/models',
  async handle(context) {
    const { limit, after = '' } = readQuery(context, LIST)
    const { config, number } = await context.get('ports').routing.current()
    const ids = Object.keys(config.models)
      .filter((id) => id > after)
      .sort()
    const page = { data: ids.slice(0, limit), hasMore: ids.length > limit }
    const shown = (id: string) => aliasObject(id, config.models[id])
    return answerVersion(
      context,
      listObject(page, shown, (id) => id),
      number,
    )
  },
}

export const getModelAlias: Route = {
  ...READ_ROUTING,
  method: 'GET',
  path: '/admin/models/:alias',
  async handle(context) {
    const id = idOf(context)
    const { config, number } = await context.get('ports').routing.current()
    if (!Object.hasOwn(config.models, id)) throw noSuchModelAlias()
    return answerVersion(context, aliasObject(id, config.models[id]), number)
  },
}

export const putModelAlias: Route = {
  ...WRITE_ROUTING,
  method: 'PUT',
  path: '/admin/models/:alias',
  body: 'text',
  async handle(context) {
    const id = idOf(context)
    if (!aliasSchema.safeParse(id).success) {
      throw new AppError(
        'invalid_request',
        'alias must be letters, digits and ._:/@-, and begin with a letter or digit, at most 256.',
        { param: 'alias' },
      )
    }
    const change = editOf(context)
    const given = await readJson(context, modelConfigSchema)
    const outcome = await context.get('ports').routing.apply({
      ...change,
      edit: (config) => ({ ...config, models: { ...config.models, [id]: given } }),
    })
    const { config, number } = appliedOf(outcome, noSuchModelAlias)
    return answerVersion(context, aliasObject(id, config.models[id]), number)
  },
}

export const deleteModelAlias: Route = {
  ...WRITE_ROUTING,
  method: 'DELETE',
  path: '/admin/models/:alias',
  async handle(context) {
    const id = idOf(context)
    const outcome = await context.get('ports').routing.apply({
      ...editOf(context),
      edit(config) {
        if (!Object.hasOwn(config.models, id)) return undefined
        const { [id]: _, ...models } = config.models
        return { ...config, models }
      },
    })
    const { number } = appliedOf(outcome, noSuchModelAlias)
    return answerVersion(context, { id, object: 'model_alias.deleted', deleted: true }, number)
  },
}

function idOf(context: AppContext): string {
  return context.req.param('alias') ?? ''
}

function noSuchModelAlias(): AppError {
  return new AppError('resource_not_found', 'There is no such model. GET /admin/models lists those there are.')
}

function aliasObject(id: string, config: ModelConfig | undefined): object {
  return { id, object: 'model_alias', ...config }
}
