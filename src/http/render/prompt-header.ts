/** Which version of a prompt template the messages came from: a label says only what it points to now. */
import type { PromptNote } from '../../chat/ports.ts'

export const PROMPT_HEADER = 'x-perigee-prompt'

/** `greet@2`; an id has no `@`. */
export function promptHeader(prompt: PromptNote | undefined): Record<string, string> {
  return prompt ? { [PROMPT_HEADER]: `${prompt.id}@${prompt.version}` } : {}
}
