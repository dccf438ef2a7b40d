/** `/v1/prompts/{id}/versions`, the labels that point to them, and what differs between two. */
import * as z from 'zod/mini'
import { labelChangeSchema, newVersionSchema } from '../../contract/prompt-template.ts'
import { labelSchema } from '../../contract/prompted-chat.ts'
import { unixSeconds } from '../../contract/unix-seconds.ts'
import { AppError } from '../../errors.ts'
import { listObject, pageFields } from '../page-query.ts'
import type { PromptVersionRecord } from '../ports.ts'
import { readJson } from '../read-json.ts'
import { readQuery, refuseQuery } from '../read-query.ts'
import { type AppContext, principalOf, type Route } from '../route.ts'
import { libraryOf, promptIdOf, promptObject } from './prompts.ts'

const COMMON = { errors: 'problem' } as const
const VERSION = /^[1-9][0-9]{0,6}$/
const versionTextSchema = z.string().check(z.regex(VERSION, 'must be the number of a version'))
const DIFF = z.strictObject({ from: versionTextSchema, to: versionTextSchema })
const LIST = z.strictObject(pageFields(versionTextSchema))

export const listPromptVersions: Route = {
  ...COMMON,
  method: 'GET',
  path: '/v1/prompts/:id/versions',
  access: { scope: 'prompts:read' },
  async handle(context) {
    const page = readQuery(context, LIST)
    const id = promptIdOf(context)
    const versions = await libraryOf(context).versions(principalOf(context).tenantId, id, page)
    return context.json(
      listObject(
        versions,
        (version) => versionObject(id, version),
        ({ version }) => String(version),
      ),
    )
  },
}

export const createPromptVersion: Route = {
  ...COMMON,
  method: 'POST',
  path: '/v1/prompts/:id/versions',
  access: { scope: 'prompts:write' },
  body: 'text',
  async handle(context) {
    refuseQuery(context)
    const version = await readJson(context, newVersionSchema)
    const { tenantId, keyId } = principalOf(context)
    const id = promptIdOf(context)
    return context.json(versionObject(id, await libraryOf(context).addVersion(tenantId, keyId, id, version)), 201)
  },
}

export const retrievePromptVersion: Route = {
  ...COMMON,
  method: 'GET',
  path: '/v1/prompts/:id/versions/:version',
  access: { scope: 'prompts:read' },
  async handle(context) {
    refuseQuery(context)
    const id = promptIdOf(context)
    const number = versionNumber('version', context.req.param('version'))
    return context.json(versionObject(id, await libraryOf(context).version(principalOf(context).tenantId, id, number)))
  },
}

export const diffPromptVersions: Route = {
  ...COMMON,
  method: 'GET',
  path: '/v1/prompts/:id/diff',
  access: { scope: 'prompts:read' },
  async handle(context) {
    const id = promptIdOf(context)
    const query = readQuery(context, DIFF)
    const [from, to] = [Number(query.from), Number(query.to)]
    const diff = await libraryOf(context).diff(principalOf(context).tenantId, id, from, to)
    return context.json({ object: 'prompt.diff', prompt_id: id, from, to, diff })
  },
}

export const pointPromptLabel: Route = {
  ...COMMON,
  method: 'PUT',
  path: '/v1/prompts/:id/labels/:label',
  access: { scope: 'prompts:write' },
  body: 'text',
  async handle(context) {
    refuseQuery(context)
    const { version } = await readJson(context, labelChangeSchema)
    const { tenantId, keyId } = principalOf(context)
    const prompt = await libraryOf(context).point(tenantId, keyId, promptIdOf(context), labelOf(context), version)
    return context.json(promptObject(prompt))
  },
}

export const removePromptLabel: Route = {
  ...COMMON,
  method: 'DELETE',
  path: '/v1/prompts/:id/labels/:label',
  access: { scope: 'prompts:write' },
  async handle(context) {
    refuseQuery(context)
    const { tenantId } = principalOf(context)
    return context.json(promptObject(await libraryOf(context).unpoint(tenantId, promptIdOf(context), labelOf(context))))
  },
}

function labelOf(context: AppContext): string {
  const parsed = z.safeParse(labelSchema(), context.req.param('label'))
  if (parsed.success) return parsed.data
  throw new AppError('invalid_request', `label ${parsed.error.issues[0]?.message}.`, { param: 'label' })
}

function versionNumber(param: string, text: string | undefined): number {
  if (text !== undefined && VERSION.test(text)) return Number(text)
  throw new AppError('invalid_request', `${param} must be the number of a version.`, { param })
}

function versionObject(id: string, { version, template, note, createdBy, createdAtMs }: PromptVersionRecord): object {
  return {
    object: 'prompt.version',
    prompt_id: id,
    version,
    ...template,
    note,
    created_by: createdBy,
    created_at: unixSeconds(createdAtMs),
  }
}
