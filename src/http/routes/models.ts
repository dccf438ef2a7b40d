/** `GET /v1/models` and `GET /v1/models/{id}`, as OpenAI's. */

import type { Principal } from '../../chat/ports.ts'
import { AppError } from '../../errors.ts'
import { principalOf, type Route } from '../route.ts'

export const listModels: Route = {
  method: 'GET',
  path: '/v1/models',
  errors: 'openai',
  access: { scope: 'chat' },
  handle(context) {
    const models = context
      .get('ports')
      .complete.models.list()
      .filter(isAllowedTo(principalOf(context)))
    return context.json({ object: 'list', data: models.map(modelObject) })
  },
}

export const retrieveModel: Route = {
  method: 'GET',
  // A name that holds a slash is sent as OpenAI's clients send it: percent-encoded.
  path: '/v1/models/:id',
  errors: 'openai',
  access: { scope: 'chat' },
  handle(context) {
    const id = context.req.param('id')
    const model = context
      .get('ports')
      .complete.models.list()
      .filter(isAllowedTo(principalOf(context)))
      .find((known) => known.alias === id)
    if (!model) {
      throw new AppError('model_not_found', 'There is no such model. GET /v1/models lists those there are.', {
        param: 'model',
      })
    }
    return context.json(modelObject(model))
  },
}

/** What the key may not name does not exist for it. */
function isAllowedTo({ models }: Principal): (model: { alias: string }) => boolean {
  return ({ alias }) => models === undefined || models.includes(alias)
}

function modelObject(model: { alias: string; createdAt: number }) {
  return { id: model.alias, object: 'model', created: model.createdAt, owned_by: 'perigee' }
}
