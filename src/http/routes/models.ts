/** `GET /v1/models` and `GET /v1/models/{id}`, as OpenAI's. */
import { AppError } from '../../errors.ts'
import type { Route } from '../route.ts'

export const listModels: Route = {
  method: 'GET',
  path: '/v1/models',
  errors: 'openai',
  access: { scope: 'chat' },
  handle(context) {
    const models = context.get('ports').complete.models.list()
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
      .find((known) => known.alias === id)
    if (!model) {
      throw new AppError('model_not_found', 'There is no such model. GET /v1/models lists those there are.', {
        param: 'model',
      })
    }
    return context.json(modelObject(model))
  },
}

function modelObject(model: { alias: string; createdAt: number }) {
  return { id: model.alias, object: 'model', created: model.createdAt, owned_by: 'perigee' }
}
