/** The limits of an answer whose first tokens another deployment has already said. */
import type { ChatRequest, TextRequest } from '../../contract/chat-completion.ts'

type Limits = Pick<ChatRequest, 'max_tokens' | 'max_completion_tokens' | 'min_tokens'>

/** At least one token is asked for, or the target would refuse. Limits that nobody set stay so. */
export function shortened(body: ChatRequest | TextRequest, tokens: number): Limits {
  return {
    ...less('max_tokens', body.max_tokens, tokens, 1),
    ...('messages' in body ? less('max_completion_tokens', body.max_completion_tokens, tokens, 1) : {}),
    ...less('min_tokens', body.min_tokens, tokens, 0),
  }
}

function less(field: keyof Limits, value: unknown, tokens: number, least: number): Limits {
  return typeof value === 'number' ? { [field]: Math.max(value - tokens, least) } : {}
}
