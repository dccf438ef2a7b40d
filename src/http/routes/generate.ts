/** `POST /generate`: continues a text with the default model, as likely as can be (temperature 0), so that the same text always gets the same. */
import { answerNote } from '../../chat/answer-note.ts'
import { assembleText } from '../../chat/assemble.ts'
import { complete } from '../../chat/complete.ts'
import { type GenerateResponse, generateRequestSchema } from '../../contract/generate.ts'
import { cacheDirective } from '../cache-directive.ts'
import { callerNote } from '../caller-note.ts'
import { callerPlace } from '../caller-place.ts'
import { inCallersWords } from '../in-callers-words.ts'
import { readJson } from '../read-json.ts'
import { cacheHeaders } from '../render/cache-headers.ts'
import { principalOf, type Route } from '../route.ts'

/** Our inference server says `messages` of either. */
const FIELDS = { prompt: 'text', messages: 'text', max_tokens: 'max_length' }

export const generate: Route = {
  method: 'POST',
  path: '/generate',
  errors: 'problem',
  access: { scope: 'chat' },
  body: 'text',
  async handle(context) {
    const { text, max_length } = await readJson(context, generateRequestSchema())
    const { complete: ports, settings } = context.get('ports')
    context.set('model', settings.defaultModel)
    const place = callerPlace(context)
    try {
      const completion = await complete(ports, {
        principal: principalOf(context),
        request: {
          kind: 'text',
          body: { model: settings.defaultModel, prompt: text, max_tokens: max_length, temperature: 0 },
        },
        requestId: context.get('requestId'),
        signal: context.req.raw.signal,
        caching: cacheDirective((name) => context.req.header(name)),
        caller: callerNote(context),
        ...(place ? { place } : {}),
      })
      const { choices } = await assembleText(completion.events, { tokenIds: false })
      const answer = { generated_text: choices[0]?.text ?? '', ...answerNote(choices[0]) } satisfies GenerateResponse
      return context.json(answer, 200, cacheHeaders(completion.cache))
    } catch (thrown) {
      throw inCallersWords(thrown, FIELDS)
    }
  },
}
