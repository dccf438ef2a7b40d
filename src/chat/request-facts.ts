/**
 * What routing may look at of a request. Pure; reckoned when a model is asked, not for a hit, and each fact only when somebody looks:
 * a route with one deployment pays for none.
 */
import type { Capability } from '../contract/routing-config.ts'
import { neededCapabilities } from './needed-capabilities.ts'
import type { CompleteCall, ModelRequest, RequestFacts } from './ports.ts'
import { promptPrefixes } from './prompt-prefixes.ts'
import { textsOf } from './prompt-texts.ts'

export function requestFacts({ principal, place, conversationId }: CompleteCall, request: ModelRequest): RequestFacts {
  let promptChars: number | undefined
  let metadata: RequestFacts['metadata'] | undefined
  let needs: ReadonlySet<Capability> | undefined
  let prefixes: readonly string[] | undefined
  return {
    tenantId: principal.tenantId,
    userId: principal.userId,
    conversationId,
    place,
    get promptChars() {
      promptChars ??= charsOf(request)
      return promptChars
    },
    get metadata() {
      metadata ??= metadataOf(request.body.metadata)
      return metadata
    },
    get needs() {
      needs ??= neededCapabilities(request)
      return needs
    },
    get prefixes() {
      prefixes ??= promptPrefixes(principal.tenantId, request)
      return prefixes
    },
  }
}

/** What English has; for prompts that come as token ids. */
const CHARS_PER_TOKEN = 4

function charsOf(request: ModelRequest): number {
  if (request.kind === 'text') {
    const { prompt } = request.body
    if (typeof prompt === 'string') return prompt.length
    const [first] = prompt
    return typeof first === 'string' ? first.length : prompt.length * CHARS_PER_TOKEN
  }
  let chars = 0
  for (const message of request.body.messages) for (const text of textsOf(message)) chars += text.length
  return chars
}

/** OpenAI's bound. */
const METADATA_MAX = 16

/** The pairs that are strings: the field passes through unchecked. */
function metadataOf(value: unknown): RequestFacts['metadata'] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return {}
  const pairs = Object.entries(value).slice(0, METADATA_MAX)
  return Object.fromEntries(pairs.filter((pair): pair is [string, string] => typeof pair[1] === 'string'))
}
