/** `POST /v1/chat/completions`, as OpenAI's. */
import { promptedChatRequestSchema } from '../../contract/prompted-chat.ts'
import { readJson } from '../read-json.ts'
import { respondWithCompletion } from '../render/completion.ts'
import type { Route } from '../route.ts'

export const chatCompletions: Route = {
  method: 'POST',
  path: '/v1/chat/completions',
  errors: 'openai',
  access: { scope: 'chat' },
  body: 'content',
  async handle(context) {
    return respondWithCompletion(context, { kind: 'chat', body: await readJson(context, promptedChatRequestSchema()) })
  },
}
