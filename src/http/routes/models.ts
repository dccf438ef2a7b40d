/** `GET /v1/models` and `GET /v1/models/{id}`, as OpenAI's. */

import type { ListedModel } from '../../chat/ports.ts'
import { AppError } from '../../errors.ts'
import { type AppContext, principalOf, type Route } from '../route.ts'

export const listModels: Route = {
  method: 'GET',
  path: '/v1/models',
  errors: 'openai',
  access: { scope: 'chat' },
  async handle(context) {
    const models = await modelsOf(context)
    return context.json({ object: 'list', data: models.map(modelObject) })
  },
}

export const retrieveModel: Route = {
  method: 'GET',
  // A name that holds a slash is sent as OpenAI's clients send it: percent-encoded.
  path: '/v1/models/:id',
  errors: 'openai',
  access: { scope: 'chat' },
  async handle(context) {
    const id = context.req.param('id')
    const model = (await modelsOf(context)).find((known) => known.alias === id)
    if (!model) {
      throw new AppError('model_not_found', 'There is no such model. GET /v1/models lists those there are.', {
        param: 'model',
      })
    }
    return context.json(modelObject(model))
  },
}

/** What the key may not name does not exist for it. */
async function modelsOf(context: AppContext): Promise<ListedModel[]> {
  const { models, tenantId } = principalOf(context)
  const known = await context.get('ports').complete.models.list(tenantId)
  return known.filter(({ alias }) => models === undefined || models.includes(alias))
}

function modelObject(model: ListedModel) {
  return {
    id: model.alias,
    object: 'model',
    created: model.createdAt,
    owned_by: 'perigee',
    perigee: { capabilities: model.capabilities, context_tokens: model.contextTokens ?? null },
  }
}
