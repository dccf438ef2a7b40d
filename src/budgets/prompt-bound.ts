/**
 * The most tokens that a prompt can be. The edge has no tokenizer, but a tokenizer of bytes makes at most one token of each byte, and
 * a chat template adds a little around each message. Far above the truth for most text: it is held only until the model tells.
 */
import { Buffer } from 'node:buffer'
import type { ModelRequest } from '../chat/ports.ts'

export type PromptBound = {
  tokensMax: number
  /** The bound is the truth: the prompt was sent as token ids. */
  isExact: boolean
  /** Messages of text alone, which the model's server can count. */
  isCountable: boolean
}

/** Role names, turn marks, line breaks. */
const TOKENS_PER_MESSAGE = 64
/** A system prompt that the template brings itself, and what it says around tools. */
const TOKENS_PER_PROMPT = 1_024
/** What the largest image becomes in the models that see (Qwen2-VL's `max_pixels`). */
const TOKENS_PER_IMAGE = 16_384
/** Templates write tools with indentation of their own. */
const TOOLS_INDENTED = 3

/** Fields that are no part of any prompt. */
const NOT_IN_PROMPTS = new Set([
  'model',
  'stream',
  'stream_options',
  'stop',
  'seed',
  'n',
  'metadata',
  'logit_bias',
  'user',
])
const TOOLS = new Set(['tools', 'functions', 'response_format'])

export function promptBound(request: ModelRequest): PromptBound {
  const { body } = request
  if (request.kind === 'text') {
    const { prompt, n } = request.body
    const text = Array.isArray(prompt) && prompt.length === 1 && typeof prompt[0] === 'string' ? prompt[0] : prompt
    // OpenAI counts a prompt once, however many answers it gets.
    if (typeof text !== 'string') return { tokensMax: text.length, isExact: (n ?? 1) === 1, isCountable: false }
    return { tokensMax: Buffer.byteLength(text) + TOKENS_PER_MESSAGE, isExact: false, isCountable: false }
  }
  let tokensMax = TOKENS_PER_PROMPT
  let isCountable = true
  for (const message of request.body.messages) {
    tokensMax += TOKENS_PER_MESSAGE
    for (const [field, value] of Object.entries(message)) {
      if (typeof value === 'string') tokensMax += Buffer.byteLength(value)
      else if (field === 'content' && Array.isArray(value)) {
        for (const part of value) {
          if (part.type === 'text' && typeof part.text === 'string') tokensMax += Buffer.byteLength(part.text)
          else {
            isCountable = false
            tokensMax += part.type === 'image_url' ? TOKENS_PER_IMAGE : bytesOf(part)
          }
        }
      } else if (value !== null && value !== undefined) {
        isCountable = false
        tokensMax += bytesOf(value) * TOOLS_INDENTED
      }
    }
  }
  for (const [field, value] of Object.entries(body)) {
    if (field === 'messages' || typeof value !== 'object' || value === null || NOT_IN_PROMPTS.has(field)) continue
    isCountable = false
    tokensMax += bytesOf(value) * (TOOLS.has(field) ? TOOLS_INDENTED : 1)
  }
  return { tokensMax, isExact: false, isCountable }
}

function bytesOf(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value))
}
