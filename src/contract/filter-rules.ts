/** A tenant's filter rules (requirements row E8) as `PUT /admin/filters/{name}` takes them. Our own shape, so strict. */
import * as z from 'zod/mini'

export const WORDS_PER_RULE_MAX = 20_000
/** UTF-16 code units: a phrase, not a passage. */
export const WORD_CHARS_MAX = 64
/** A row of D1 must stay under 2 MB. */
export const RULE_BYTES_MAX = 1_000_000
export const ruleNameSchema = z
  .string()
  .check(z.regex(/^[a-z0-9][a-z0-9_-]{0,63}$/, 'must be lower-case letters, digits, "_" and "-", at most 64'))

export const DETECTABLE = ['email', 'phone', 'card', 'iban', 'chinese_id', 'ip', 'secret'] as const
export type Detectable = (typeof DETECTABLE)[number]

export const filterRuleSchema = z
  .strictObject({
    /** `mask`: as many `*` as characters. `redact`: a label, as `[EMAIL]`; of words `[REDACTED]`. `block`: no request, no answer. */
    action: z.enum(['mask', 'redact', 'block']),
    /** Under which `POST /v1/moderations` counts it; the rule's name unless told. */
    category: z.optional(
      z.string().check(z.regex(/^[a-z][a-z0-9_/-]{0,63}$/, 'must be lower-case letters, digits, "_", "-" and "/"')),
    ),
    on: z._default(z.enum(['both', 'input', 'output']), 'both'),
    /** `auto`: whole words in scripts with spaces, anywhere in Chinese, Japanese and their like. */
    match: z._default(z.enum(['auto', 'word', 'substring']), 'auto'),
    words: z.optional(
      z
        .array(z.string().check(z.minLength(1), z.maxLength(WORD_CHARS_MAX)))
        .check(z.minLength(1), z.maxLength(WORDS_PER_RULE_MAX)),
    ),
    detect: z.optional(z.array(z.enum(DETECTABLE)).check(z.minLength(1), z.maxLength(DETECTABLE.length))),
  })
  .check(z.refine(({ words, detect }) => words !== undefined || detect !== undefined, 'must have words or detect'))
export type FilterRule = z.infer<typeof filterRuleSchema>

/** That a rule matched, where and how often; never the text that did. In `perigee.flags` of a choice of an answer. */
export type FilterFlag = { rule: string; action: FilterRule['action']; on: 'input' | 'output'; count: number }

/** All rules of one tenant. Another version is another set. */
export type FilterRules = { version: number; rules: readonly (FilterRule & { name: string })[] }
