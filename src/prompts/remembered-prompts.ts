/** What an isolate remembers of templates: where labels point, forgotten when the prompt changes, and versions, which never change. */
import { type CompiledTemplate, compileTemplate } from './compiled-template.ts'
import type { Pointers, PromptStore } from './prompt-store.ts'
import type { StoredPromptsOptions } from './stored-prompts.ts'

/** As src/directory/ offers it. */
type Directory = {
  remember<Stored, Value = Stored | undefined>(spec: {
    kind: string
    load(key: string): Promise<Stored | undefined>
    prepare?(stored: Stored | undefined, key: string): Value
    key?(change: { tenantId: string; subject: string }): string
    keysFromCallers?: boolean
  }): (key: string) => Value | Promise<Value>
}

type StoredVersion = Pick<CompiledTemplate, 'messages' | 'variables'>

export function rememberedPrompts(directory: Directory, store: PromptStore): StoredPromptsOptions {
  const pointersOf = directory.remember<Pointers>({
    kind: 'prompt',
    keysFromCallers: true,
    load: (key) => {
      const [tenantId = '', id = ''] = key.split('/')
      return store.pointers(tenantId, id)
    },
    key: ({ tenantId, subject }) => `${tenantId}/${subject}`,
  })
  const templateOf = directory.remember<StoredVersion>({
    kind: 'prompt-version',
    keysFromCallers: true,
    load: async (key) => {
      const [tenantId = '', id = '', , version = ''] = key.split('/')
      const stored = await store.version(tenantId, id, Number(version))
      return stored && compileTemplate(stored.template)
    },
  })
  return {
    pointersOf: (tenantId, id) => pointersOf(`${tenantId}/${id}`),
    // The generation is in the key, so that a prompt that was deleted and made again has other versions here.
    templateOf: (tenantId, id, generation, version) => templateOf(`${tenantId}/${id}/${generation}/${version}`),
  }
}
