/** `/admin/prices`: what tokens of each model cost. A new price is a new version; usage keeps the number of the one it was reckoned with. */
import * as z from 'zod/mini'
import { modelNameSchema, putPriceSchema, versionCursorSchema } from '../../contract/budgets.ts'
import { unixSeconds } from '../../contract/unix-seconds.ts'
import { AppError } from '../../errors.ts'
import { listObject, pageFields } from '../page-query.ts'
import type { PriceRecord } from '../ports.ts'
import { readJson } from '../read-json.ts'
import { readQuery } from '../read-query.ts'
import type { AppContext, Route } from '../route.ts'

/** Prices are no secret from those who see what they pay. */
const READ = { errors: 'problem', access: { scope: 'usage:read' } } as const
const LIST = z.strictObject(pageFields(modelNameSchema))
const VERSIONS = z.strictObject(pageFields(versionCursorSchema))

export const listPrices: Route = {
  ...READ,
  method: 'GET',
  path: '/admin/prices',
  async handle(context) {
    const page = await context.get('ports').prices.list(readQuery(context, LIST))
    return context.json(listObject(page, priceObject, ({ model }) => model))
  },
}

export const listPriceVersions: Route = {
  ...READ,
  method: 'GET',
  path: '/admin/prices/:model',
  async handle(context) {
    const query = readQuery(context, VERSIONS)
    const page = await context.get('ports').prices.versions(modelOf(context), query)
    if (page.data.length === 0 && query.after === undefined) {
      throw new AppError('resource_not_found', 'This model has no price: it costs nothing.')
    }
    return context.json(listObject(page, priceObject, ({ version }) => String(version)))
  },
}

export const putPrice: Route = {
  errors: 'problem',
  access: { scope: 'tenants:write' },
  method: 'PUT',
  path: '/admin/prices/:model',
  body: 'text',
  async handle(context) {
    const { input, cached_input, output } = await readJson(context, putPriceSchema)
    const cachedInput = cached_input ?? input
    if (cachedInput > input) {
      throw new AppError('invalid_request', 'cached_input must be at most input.', { param: 'cached_input' })
    }
    const model = modelOf(context)
    const { complete, prices } = context.get('ports')
    if ((await complete.models.routeOf(model, undefined)) === undefined) {
      throw new AppError('model_not_found', 'There is no such model. GET /v1/models lists those there are.')
    }
    return context.json(priceObject(await prices.put(model, { input, cachedInput, output })))
  },
}

function modelOf(context: AppContext): string {
  return context.req.param('model') ?? ''
}

function priceObject(price: PriceRecord): object {
  return {
    object: 'price',
    model: price.model,
    version: price.version,
    input: price.input,
    cached_input: price.cachedInput,
    output: price.output,
    since: unixSeconds(price.sinceMs),
  }
}
