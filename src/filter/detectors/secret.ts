/**
 * Secrets that say what they are: our own keys, whose checksum must be right, and keys and tokens with a known prefix. Those without a
 * fixed length are known by their first characters; what follows belongs to them.
 */
import { isApiKey } from '../../contract/api-key-format.ts'
import {
  ALPHANUMERIC,
  type Codes,
  codeAt,
  type Detector,
  DOT_OR_TOKEN,
  isOf,
  MORE,
  NONE,
  TOKEN,
  textBetween,
  UPPER,
} from './detector.ts'

type Kind = { prefix: string; length: number; of: number; isSecret?: (text: string) => boolean }

/** `length` characters after the prefix make it one. */
const KINDS: readonly Kind[] = [
  { prefix: 'pg_', length: 49, of: ALPHANUMERIC, isSecret: isApiKey },
  // OpenAI and Anthropic, Stripe, GitHub, GitLab, Slack, AWS, Google, Hugging Face, npm, JSON web tokens.
  { prefix: 'sk-', length: 20, of: TOKEN },
  { prefix: 'sk_live_', length: 16, of: ALPHANUMERIC },
  { prefix: 'rk_live_', length: 16, of: ALPHANUMERIC },
  ...['ghp_', 'gho_', 'ghu_', 'ghs_', 'ghr_'].map((prefix) => ({ prefix, length: 36, of: ALPHANUMERIC })),
  { prefix: 'github_pat_', length: 22, of: TOKEN },
  { prefix: 'glpat-', length: 20, of: TOKEN },
  ...['xoxb-', 'xoxa-', 'xoxp-', 'xoxr-', 'xoxs-'].map((prefix) => ({ prefix, length: 10, of: TOKEN })),
  { prefix: 'AKIA', length: 16, of: UPPER },
  { prefix: 'ASIA', length: 16, of: UPPER },
  { prefix: 'AIza', length: 35, of: TOKEN },
  { prefix: 'hf_', length: 30, of: ALPHANUMERIC },
  { prefix: 'npm_', length: 36, of: ALPHANUMERIC },
  { prefix: 'eyJhbGci', length: 12, of: TOKEN },
  { prefix: 'eyJ0eXAi', length: 12, of: TOKEN },
  { prefix: 'eyJraWQi', length: 12, of: TOKEN },
]

const BY_FIRST = new Map<number, Kind[]>()
for (const kind of KINDS) {
  const first = kind.prefix.charCodeAt(0)
  BY_FIRST.set(first, [...(BY_FIRST.get(first) ?? []), kind])
}

export const secret: Detector = {
  label: '[SECRET]',
  longest: Math.max(...KINDS.map(({ prefix, length }) => prefix.length + length)) + 1,
  starts: String.fromCharCode(...BY_FIRST.keys()),
  scan(text, at) {
    let more = false
    for (const kind of BY_FIRST.get(codeAt(text, at)) ?? []) {
      const end = scanKind(text, at, kind)
      if (end > 0) return end
      more ||= end === MORE
    }
    return more ? MORE : NONE
  },
  // A token's parts are joined by dots.
  goesOn: DOT_OR_TOKEN,
}

function scanKind(text: Codes, at: number, { prefix, length, of, isSecret }: Kind): number {
  for (let index = 0; index < prefix.length; index++) {
    const character = codeAt(text, at + index)
    if (character !== prefix.charCodeAt(index)) return character === -1 && !text.final ? MORE : NONE
  }
  const from = at + prefix.length
  let end = from
  while (end - from < length && isOf(codeAt(text, end), of)) end += 1
  if (end - from < length) return end >= text.count && !text.final ? MORE : NONE
  if (!isSecret) return end
  if (end >= text.count && !text.final) return MORE
  return !isOf(codeAt(text, end), ALPHANUMERIC) && isSecret(textBetween(text, at, end)) ? end : NONE
}
