/** `POST /v1/messages` and `POST /v1/messages/count_tokens`, as Anthropic's, onto whatever model the alias stands for. */
import { countTokensRequestSchema, messagesRequestSchema } from '../../contract/messages.ts'
import { AppError } from '../../errors.ts'
import { promptOf, toChatRequest } from '../messages/to-chat-request.ts'
import { readJson } from '../read-json.ts'
import { respondWithMessage } from '../render/message.ts'
import { principalOf, type Route } from '../route.ts'

export const messages: Route = {
  method: 'POST',
  path: '/v1/messages',
  errors: 'anthropic',
  access: { scope: 'chat' },
  body: 'content',
  async handle(context) {
    const request = await readJson(context, messagesRequestSchema)
    return respondWithMessage(context, toChatRequest(request), request.stop_sequences ?? [])
  },
}

export const countMessageTokens: Route = {
  method: 'POST',
  path: '/v1/messages/count_tokens',
  errors: 'anthropic',
  access: { scope: 'chat' },
  body: 'content',
  async handle(context) {
    const request = await readJson(context, countTokensRequestSchema)
    const { complete, tokenCounter } = context.get('ports')
    const principal = principalOf(context)
    const alias = request.model
    context.set('model', alias)
    const route = await complete.models.routeOf(alias, principal.tenantId)
    if (route === undefined || principal.models?.includes(alias) === false) {
      throw new AppError('model_not_found', 'There is no such model. GET /v1/models lists those there are.', {
        param: 'model',
      })
    }
    const { messages: prompt } = promptOf(request)
    const { tokens } = await tokenCounter.count(alias, prompt, context.req.raw.signal)
    return context.json({ input_tokens: tokens })
  },
}
