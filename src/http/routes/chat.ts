/** `POST /chat`: one turn of a stored conversation, answered whole. The conversation's object runs it; see src/conversation/. */
import { chatTurnRequestSchema } from '../../contract/chat-turn.ts'
import { AppError } from '../../errors.ts'
import { countEndUser } from '../middleware/rate-limit.ts'
import { readJson } from '../read-json.ts'
import { principalOf, type Route } from '../route.ts'

export const chat: Route = {
  method: 'POST',
  path: '/chat',
  errors: 'problem',
  access: { scope: 'chat' },
  body: 'text',
  async handle(context) {
    const request = await readJson(context, chatTurnRequestSchema)
    const requestId = context.get('requestId')
    const { conversations, settings } = context.get('ports')
    context.set('model', request.model_config?.model ?? settings.defaultModel)
    await countEndUser(context, request.user_id)
    const turn = await conversations.turn({ principal: principalOf(context), request, requestId })
    if (!turn.ok) throw AppError.fromValue(turn.error)
    return context.json(turn.response)
  },
}
