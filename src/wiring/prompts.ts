/** Prompt templates. */
import type { Prompts } from '../chat/ports.ts'
import type { HttpPorts } from '../http/ports.ts'
import { promptLibrary } from '../prompts/prompt-library.ts'
import { promptStore } from '../prompts/prompt-store.ts'
import { rememberedPrompts } from '../prompts/remembered-prompts.ts'
import { storedPrompts } from '../prompts/stored-prompts.ts'
import { answeringStore } from '../while-store-answers.ts'
import type { Isolate } from './isolate.ts'

/** `prompts` is for `chat/complete`. */
export function wirePrompts({ directory, stored }: Isolate): Pick<HttpPorts, 'promptLibrary'> & { prompts: Prompts } {
  const store = promptStore({ ...stored, newId: () => crypto.randomUUID() })
  return {
    prompts: storedPrompts(rememberedPrompts(directory, store)),
    promptLibrary: promptLibrary(answeringStore(store)),
  }
}
