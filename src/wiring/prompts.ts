/** Prompt templates, as requests name them. */
import type { Prompts } from '../chat/ports.ts'
import { promptStore } from '../prompts/prompt-store.ts'
import { rememberedPrompts } from '../prompts/remembered-prompts.ts'
import { storedPrompts } from '../prompts/stored-prompts.ts'
import type { Isolate } from './isolate.ts'

export function wirePrompts({ directory, stored }: Isolate): Prompts {
  return storedPrompts(rememberedPrompts(directory, promptStore({ ...stored, newId: () => crypto.randomUUID() })))
}
