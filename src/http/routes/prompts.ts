/** `/v1/prompts`: a tenant's prompt templates. What a version is never changes; labels point to versions. */
import * as z from 'zod/mini'
import { newPromptSchema, promptChangeSchema, renderRequestSchema } from '../../contract/prompt-template.ts'
import { promptIdSchema } from '../../contract/prompted-chat.ts'
import { unixSeconds } from '../../contract/unix-seconds.ts'
import { deletedObject } from '../deleted-object.ts'
import { listObject, pageFields } from '../page-query.ts'
import type { PromptRecord } from '../ports.ts'
import { readJson } from '../read-json.ts'
import { readQuery, refuseQuery } from '../read-query.ts'
import { type AppContext, principalOf, type Route } from '../route.ts'

const COMMON = { errors: 'problem' } as const
const LIST = z.strictObject(pageFields(promptIdSchema()))

export const listPrompts: Route = {
  ...COMMON,
  method: 'GET',
  path: '/v1/prompts',
  access: { scope: 'prompts:read' },
  async handle(context) {
    const page = readQuery(context, LIST)
    const prompts = await libraryOf(context).list(principalOf(context).tenantId, page)
    return context.json(listObject(prompts, promptObject, ({ id }) => id))
  },
}

export const createPrompt: Route = {
  ...COMMON,
  method: 'POST',
  path: '/v1/prompts',
  access: { scope: 'prompts:write' },
  body: 'text',
  async handle(context) {
    refuseQuery(context)
    const prompt = await readJson(context, newPromptSchema)
    const { tenantId, keyId } = principalOf(context)
    return context.json(promptObject(await libraryOf(context).create(tenantId, keyId, prompt)), 201)
  },
}

export const retrievePrompt: Route = {
  ...COMMON,
  method: 'GET',
  path: '/v1/prompts/:id',
  access: { scope: 'prompts:read' },
  async handle(context) {
    refuseQuery(context)
    const prompt = await libraryOf(context).get(principalOf(context).tenantId, promptIdOf(context))
    return context.json(promptObject(prompt))
  },
}

export const changePrompt: Route = {
  ...COMMON,
  method: 'PATCH',
  path: '/v1/prompts/:id',
  access: { scope: 'prompts:write' },
  body: 'text',
  async handle(context) {
    refuseQuery(context)
    const { description } = await readJson(context, promptChangeSchema)
    const { tenantId } = principalOf(context)
    return context.json(promptObject(await libraryOf(context).describe(tenantId, promptIdOf(context), description)))
  },
}

export const deletePrompt: Route = {
  ...COMMON,
  method: 'DELETE',
  path: '/v1/prompts/:id',
  access: { scope: 'prompts:write' },
  async handle(context) {
    refuseQuery(context)
    const id = promptIdOf(context)
    await libraryOf(context).remove(principalOf(context).tenantId, id)
    return context.json(deletedObject('prompt', id))
  },
}

export const renderPrompt: Route = {
  ...COMMON,
  method: 'POST',
  path: '/v1/prompts/:id/render',
  access: { scope: 'prompts:read' },
  body: 'text',
  async handle(context) {
    refuseQuery(context)
    const reference = { ...(await readJson(context, renderRequestSchema)), id: promptIdOf(context) }
    const { prompts } = context.get('ports').complete
    const { messages, promptId, version } = await prompts.render(principalOf(context).tenantId, reference, '')
    return context.json({ prompt_id: promptId, version, messages })
  },
}

/** A path that no id can have leads where a missing one does. */
export function promptIdOf(context: AppContext): string {
  return context.req.param('id') ?? ''
}

export function libraryOf(context: AppContext) {
  return context.get('ports').promptLibrary
}

export function promptObject(prompt: PromptRecord): object {
  return {
    id: prompt.id,
    object: 'prompt',
    description: prompt.description,
    built_in: prompt.builtIn,
    latest_version: prompt.latestVersion,
    labels: prompt.labels,
    created_at: unixSeconds(prompt.createdAtMs),
    updated_at: unixSeconds(prompt.updatedAtMs),
  }
}
