/** `POST /v1/moderations`, as OpenAI's: what the rules of the caller's tenant say of texts. Nothing is stored or blocked. */
import {
  type ModerationRequest,
  type ModerationResponse,
  type ModerationVerdict,
  moderationRequestSchema,
  OPENAI_CATEGORIES,
} from '../../contract/moderation.ts'
import { readJson } from '../read-json.ts'
import { principalOf, type Route } from '../route.ts'

export const moderations: Route = {
  method: 'POST',
  path: '/v1/moderations',
  errors: 'openai',
  access: { scope: 'chat' },
  body: 'text',
  async handle(context) {
    const { input } = await readJson(context, moderationRequestSchema)
    const verdicts = await context.get('ports').moderations.check(principalOf(context).tenantId, inputsOf(input))
    return context.json({
      id: `modr-${context.get('requestId')}`,
      model: 'perigee-rules',
      results: verdicts.map(result),
    } satisfies ModerationResponse)
  },
}

/** A list of texts has a result each; a list of parts is one text. */
function inputsOf(input: ModerationRequest['input']): string[][] {
  if (typeof input === 'string') return [[input]]
  const texts = input.flatMap((item) => (typeof item === 'string' ? [] : [item.text]))
  return texts.length > 0 ? [texts] : input.map((item) => [String(item)])
}

function result(verdict: ModerationVerdict): ModerationResponse['results'][number] {
  const names = [...new Set([...OPENAI_CATEGORIES, ...Object.keys(verdict)])]
  const each = <Value>(value: (isTrue: boolean) => Value) =>
    Object.fromEntries(names.map((name) => [name, value(verdict[name] === true)]))
  return {
    flagged: Object.values(verdict).includes(true),
    categories: each((isTrue) => isTrue),
    category_scores: each((isTrue) => (isTrue ? 1 : 0)),
    category_applied_input_types: each(() => ['text']),
  }
}
