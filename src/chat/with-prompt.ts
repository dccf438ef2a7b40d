/** The step that fills a stored prompt template: its messages stand before the request's own. */
import type { ChatRequest } from '../contract/chat-completion.ts'
import type { CallerRequest, ModelRequest, PromptNote, Prompts, RenderedPrompt } from './ports.ts'

export type Written = { request: ModelRequest; prompt?: PromptNote }

/** The same request when it names no template. What names one no longer does: the model's server would not know it. */
export function withPrompt(prompts: Prompts, tenantId: string, request: CallerRequest): Written | Promise<Written> {
  if (request.kind === 'text' || request.body.prompt === undefined) return { request }
  const { prompt: reference, ...body } = request.body
  if (reference === null) return { request: { kind: 'chat', body } }
  const rendered = prompts.render(tenantId, reference, 'prompt')
  return rendered instanceof Promise ? rendered.then((ready) => filled(body, ready)) : filled(body, rendered)
}

function filled(body: ChatRequest, { messages, promptId, version }: RenderedPrompt): Written {
  return {
    request: { kind: 'chat', body: { ...body, messages: [...messages, ...body.messages] } },
    prompt: { id: promptId, version },
  }
}
