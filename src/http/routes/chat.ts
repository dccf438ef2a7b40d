/** `POST /chat`: one turn of a stored conversation, answered whole. The conversation's object runs it; see src/conversation/. */
import { chatTurnRequestSchema } from '../../contract/chat-turn.ts'
import { AppError } from '../../errors.ts'
import { callerPlace } from '../caller-place.ts'
import { inCallersWords } from '../in-callers-words.ts'
import { countEndUser } from '../middleware/rate-limit.ts'
import { readJson } from '../read-json.ts'
import { principalOf, type Route } from '../route.ts'

const FIELDS = {
  message: 'message',
  messages: 'message',
  conversation_id: 'conversation_id',
  model_config: 'model_config.model',
  model: 'model_config.model',
  temperature: 'model_config.temperature',
  top_p: 'model_config.top_p',
  max_tokens: 'model_config.max_tokens',
  seed: 'model_config.seed',
}

export const chat: Route = {
  method: 'POST',
  path: '/chat',
  errors: 'problem',
  access: { scope: 'chat' },
  body: 'text',
  async handle(context) {
    const request = await readJson(context, chatTurnRequestSchema())
    const requestId = context.get('requestId')
    const { conversations, settings } = context.get('ports')
    context.set('model', request.model_config?.model ?? settings.defaultModel)
    await countEndUser(context, request.user_id)
    const place = callerPlace(context)
    const turn = await conversations.turn({
      principal: principalOf(context),
      request,
      requestId,
      ...(place ? { place } : {}),
    })
    if (!turn.ok) throw inCallersWords(AppError.fromValue(turn.error), FIELDS)
    return context.json(turn.response)
  },
}
