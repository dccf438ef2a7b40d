/** What a request needs of a deployment beyond answering: a table from the capability to how a request shows it. */
import type { Capability } from '../contract/routing-config.ts'
import type { ModelRequest } from './ports.ts'

type Body = ModelRequest['body'] & Readonly<Record<string, unknown>>

const NEEDED: { [Name in Exclude<Capability, 'vision' | 'audio'>]: (body: Body) => boolean } = {
  tools: ({ tools, functions }) => hasItems(tools) || hasItems(functions),
  json_schema: ({ response_format: format }) => isObject(format) && format.type === 'json_schema',
  // Text completions say a number, and 0 asks for the tokens that came.
  logprobs: ({ logprobs }) => logprobs === true || typeof logprobs === 'number',
  n: ({ n, best_of }) => (n ?? 1) > 1 || (typeof best_of === 'number' && best_of > 1),
}

/** By the beginning of a part's type: `image_url`, `input_image`, `input_audio`, `audio_url`, vLLM's `video_url`. */
const PARTS: readonly (readonly [RegExp, Capability])[] = [
  [/^(input_)?(image|video)/, 'vision'],
  [/^(input_)?audio/, 'audio'],
]

const NOTHING: ReadonlySet<Capability> = new Set()

export function neededCapabilities(request: ModelRequest): ReadonlySet<Capability> {
  // Sound: both schemas keep unknown fields, whose types nobody knows.
  const body = request.body as Body
  const needs = new Set<Capability>()
  for (const [name, isNeeded] of Object.entries(NEEDED)) if (isNeeded(body)) needs.add(name as Capability)
  if (request.kind === 'chat') {
    const { modalities } = body
    if (Array.isArray(modalities) && modalities.includes('audio')) needs.add('audio')
    for (const { content } of request.body.messages) {
      if (!Array.isArray(content)) continue
      for (const { type } of content) for (const [part, name] of PARTS) if (part.test(type)) needs.add(name)
    }
  }
  return needs.size === 0 ? NOTHING : needs
}

function hasItems(value: unknown): boolean {
  return Array.isArray(value) && value.length > 0
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}
