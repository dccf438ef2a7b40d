/** The request path's view of the templates: a label or version becomes messages. Synchronous once the isolate knows the template. */
import type { Prompts, RenderedPrompt } from '../chat/ports.ts'
import type { PromptReference } from '../contract/prompted-chat.ts'
import { AppError } from '../errors.ts'
import { BUILT_IN_TEMPLATES } from './built-in-templates.ts'
import { type CompiledTemplate, compileTemplate, fillTemplate } from './compiled-template.ts'
import type { Pointers } from './prompt-store.ts'

export type StoredPromptsOptions = {
  /** Undefined when the tenant has no prompt of this id. */
  pointersOf(tenantId: string, promptId: string): Pointers | undefined | Promise<Pointers | undefined>
  /** Versions never change: what is remembered under these four stays true. */
  templateOf(
    tenantId: string,
    promptId: string,
    generation: string,
    version: number,
  ): CompiledTemplate | undefined | Promise<CompiledTemplate | undefined>
}

const DEFAULT_LABEL = 'production'

export function storedPrompts({ pointersOf, templateOf }: StoredPromptsOptions): Prompts {
  function chosen(tenantId: string, asked: Asked, pointers: Pointers | undefined) {
    const { id, version: wanted, label = DEFAULT_LABEL } = asked.reference
    if (!pointers) return rendered(builtIn(id, wanted, label), asked, 1)
    const version = wanted ?? labelled(pointers, label, asked)
    const template = templateOf(tenantId, id, pointers.generation, version)
    if (template instanceof Promise) return template.then((ready) => rendered(ready, asked, version))
    return rendered(template, asked, version)
  }

  return {
    render(tenantId, reference, path) {
      const asked = { reference, path }
      const pointers = pointersOf(tenantId, reference.id)
      if (pointers instanceof Promise) return pointers.then((ready) => chosen(tenantId, asked, ready))
      return chosen(tenantId, asked, pointers)
    },
  }
}

/** A reference, and the path where its caller wrote it. */
type Asked = { reference: PromptReference; path: string }

function labelled({ labels }: Pointers, label: string, { path }: Asked): number {
  const version = Object.hasOwn(labels, label) ? labels[label] : undefined
  if (version !== undefined) return version
  const names = Object.keys(labels)
  const known = names.length === 0 ? 'no label' : `the labels ${names.join(', ')}`
  const message = `The prompt has no label ${label}; it has ${known}.`
  throw new AppError('prompt_not_found', message, { param: below(path, 'label') })
}

function rendered(template: CompiledTemplate | undefined, { reference, path }: Asked, version: number): RenderedPrompt {
  if (!template) {
    const { version: wanted, label } = reference
    const field = wanted !== undefined ? 'version' : label !== undefined ? 'label' : 'id'
    const message =
      field === 'id'
        ? 'There is no such prompt template. GET /v1/prompts lists those there are.'
        : `There is no prompt template with this id and ${field}. GET /v1/prompts lists templates with their labels and latest version.`
    throw new AppError('prompt_not_found', message, { param: below(path, field) })
  }
  const messages = fillTemplate(template, reference.variables ?? {}, below(path, 'variables'))
  return { messages, promptId: reference.id, version }
}

function below(path: string, field: string): string {
  return path === '' ? field : `${path}.${field}`
}

const compiledBuiltIns = new Map<string, CompiledTemplate>()

/** Of these there is version 1, to which `production` points. */
function builtIn(id: string, version = 1, label: string): CompiledTemplate | undefined {
  if (version !== 1 || label !== DEFAULT_LABEL) return undefined
  const known = compiledBuiltIns.get(id)
  if (known) return known
  const template = BUILT_IN_TEMPLATES.find((each) => each.id === id)
  if (!template) return undefined
  const compiled = compileTemplate(template)
  compiledBuiltIns.set(id, compiled)
  return compiled
}
