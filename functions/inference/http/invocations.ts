/**
 * POST /invocations, in SageMaker mode: an endpoint has one path, so what is asked for tells by itself what it is, as with vLLM. A prompt
 * without messages is continued as it stands, all else is a chat.
 */
import { answerChat } from './chat-completions.ts'
import { readJson } from './parse-body.ts'
import type { Handler } from './route.ts'
import { whenServing } from './serving.ts'
import { answerText } from './text-completions.ts'

export const invocations: Handler = async ({ request, response, server }) => {
  const serving = whenServing(server)
  const body = await readJson(request)
  const isText = body instanceof Object && 'prompt' in body && !('messages' in body)
  // Callers need not know the model's name: SageMaker's endpoint is the name.
  const named = body instanceof Object && !('model' in body) ? { ...body, model: serving.modelName } : body
  await (isText ? answerText : answerChat)(serving, named, response)
}
