/** `POST /v1/completions`, as OpenAI's: a prompt as text or token ids. */
import { textRequestSchema } from '../../contract/chat-completion.ts'
import { readJson } from '../read-json.ts'
import { respondWithCompletion } from '../render/completion.ts'
import type { Route } from '../route.ts'

export const completions: Route = {
  method: 'POST',
  path: '/v1/completions',
  errors: 'openai',
  access: { scope: 'chat' },
  body: 'text',
  async handle(context) {
    return respondWithCompletion(context, { kind: 'text', body: await readJson(context, textRequestSchema()) })
  },
}
