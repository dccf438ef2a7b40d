/** The step that fills a stored prompt template: its messages stand before the request's own. */
import type { ChatRequest } from '../contract/chat-completion.ts'
import type { CallerRequest, ModelRequest, Prompts, RenderedPrompt } from './ports.ts'

/** The same request when it names no template. What names one no longer does: the model's server would not know it. */
export function withPrompt(
  prompts: Prompts,
  tenantId: string,
  request: CallerRequest,
): ModelRequest | Promise<ModelRequest> {
  if (request.kind === 'text' || request.body.prompt === undefined) return request
  const { prompt: reference, ...body } = request.body
  if (reference === null) return { kind: 'chat', body }
  const rendered = prompts.render(tenantId, reference, 'prompt')
  return rendered instanceof Promise ? rendered.then((ready) => filled(body, ready)) : filled(body, rendered)
}

function filled(body: ChatRequest, { messages }: RenderedPrompt): ModelRequest {
  return { kind: 'chat', body: { ...body, messages: [...messages, ...body.messages] } }
}
