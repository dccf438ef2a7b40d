/** `POST /v1/moderations`, as OpenAI's, answered by the tenant's own rules. */
import * as z from 'zod/mini'
import { MODEL_CHARS_MAX } from './chat-completion.ts'

/** OpenAI's. */
export const MODERATION_INPUTS_MAX = 2_048

const inputPart = z.looseObject({ type: z.literal('text'), text: z.string() })

export const moderationRequestSchema = z.looseObject({
  input: z.union([
    z.string(),
    z.array(z.string()).check(z.minLength(1), z.maxLength(MODERATION_INPUTS_MAX)),
    z.array(inputPart).check(z.minLength(1), z.maxLength(MODERATION_INPUTS_MAX)),
  ]),
  /** Taken and not used: there is one set of rules. */
  model: z.nullish(z.string().check(z.maxLength(MODEL_CHARS_MAX))),
})
export type ModerationRequest = z.infer<typeof moderationRequestSchema>

/** What OpenAI's models tell of. Its clients expect them; here each is true only where a rule has it as its category. */
export const OPENAI_CATEGORIES = [
  'harassment',
  'harassment/threatening',
  'hate',
  'hate/threatening',
  'illicit',
  'illicit/violent',
  'self-harm',
  'self-harm/instructions',
  'self-harm/intent',
  'sexual',
  'sexual/minors',
  'violence',
  'violence/graphic',
] as const

/** The categories of all rules, and whether one of them matched. */
export type ModerationVerdict = { [category: string]: boolean }

export type ModerationResponse = {
  id: string
  model: string
  results: {
    flagged: boolean
    categories: { [category: string]: boolean }
    /** 1 where a rule matched, else 0: rules know no degrees. */
    category_scores: { [category: string]: number }
    category_applied_input_types: { [category: string]: 'text'[] }
  }[]
}
