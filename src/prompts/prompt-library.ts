/** What `/v1/prompts` works on: the tenant's own templates, and the built-in ones behind them. */
import type { Template } from '../contract/prompt-template.ts'
import { AppError } from '../errors.ts'
import type { Page, PageRequest, PromptLibrary, PromptRecord, PromptVersionRecord } from '../http/ports.ts'
import { BUILT_IN_TEMPLATES } from './built-in-templates.ts'
import { compileTemplate } from './compiled-template.ts'
import { type NewVersion, notFound, type PromptStore } from './prompt-store.ts'
import { templateDiff } from './template-diff.ts'

/** A new prompt works at once where its author names no label. */
const FIRST_LABELS = ['production']
const BUILT_IN_MESSAGE =
  'This template is built in and never changes. POST /v1/prompts makes one of your own of this id.'
const BUILT_IN_IDS = BUILT_IN_TEMPLATES.map(({ id }) => id)

export function promptLibrary(store: PromptStore): PromptLibrary {
  async function version(tenantId: string, id: string, number: number): Promise<PromptVersionRecord> {
    const stored = await store.version(tenantId, id, number)
    if (stored) return stored
    const builtIn = (await store.get(tenantId, id)) ? undefined : builtInVersion(id, number)
    if (!builtIn) throw notFound()
    return builtIn
  }

  return {
    version,

    async list(tenantId, page) {
      const [own, hidden] = await Promise.all([store.list(tenantId, page), store.known(tenantId, BUILT_IN_IDS)])
      return merged(own, hidden, page)
    },

    async get(tenantId, id) {
      const record = (await store.get(tenantId, id)) ?? builtInRecord(id)
      if (!record) throw notFound()
      return record
    },

    async create(tenantId, by, { id, description = '', note = '', labels = FIRST_LABELS, ...template }) {
      return store.create(tenantId, by, { id, description, ...checked(template, note, labels) })
    },

    describe: (tenantId, id, description) => written(id, store.describe(tenantId, id, description)),
    remove: (tenantId, id) => written(id, store.remove(tenantId, id)),

    async addVersion(tenantId, by, id, { note = '', labels = [], ...template }) {
      return written(id, store.addVersion(tenantId, by, id, checked(template, note, labels)))
    },

    async versions(tenantId, id, page) {
      const builtIn = (await store.get(tenantId, id)) ? undefined : builtInVersion(id, 1)
      return builtIn
        ? { data: page.after === undefined ? [builtIn] : [], hasMore: false }
        : store.versions(tenantId, id, page)
    },

    point: (tenantId, by, id, label, version) => written(id, store.point(tenantId, by, id, label, version)),
    unpoint: (tenantId, id, label) => written(id, store.unpoint(tenantId, id, label)),

    async diff(tenantId, id, from, to) {
      const [before, after] = await Promise.all([version(tenantId, id, from), version(tenantId, id, to)])
      return templateDiff(id, before, after)
    },
  }
}

/** Writes find the tenant's own alone. Who names a built-in one, which the list shows, hears what to do. */
async function written<Result>(id: string, write: Promise<Result>): Promise<Result> {
  try {
    return await write
  } catch (thrown) {
    // With a param it is a version of the tenant's own that is not there.
    const missing = thrown instanceof AppError && thrown.code === 'prompt_not_found' && thrown.param === undefined
    if (!missing || !BUILT_IN_IDS.includes(id)) throw thrown
    throw new AppError('invalid_request', BUILT_IN_MESSAGE, { param: 'id' })
  }
}

function checked(template: Template, note: string, labels: readonly string[]): NewVersion {
  compileTemplate(template)
  return { template, note, labels: [...new Set(labels)] }
}

function merged(
  own: Page<PromptRecord>,
  hiddenIds: ReadonlySet<string>,
  { limit, after = '' }: PageRequest,
): Page<PromptRecord> {
  const builtIns = BUILT_IN_TEMPLATES.filter(({ id }) => id > after && !hiddenIds.has(id)).flatMap(({ id }) => {
    const record = builtInRecord(id)
    return record ? [record] : []
  })
  const all = [...own.data, ...builtIns].sort((a, b) => (a.id < b.id ? -1 : 1))
  return { data: all.slice(0, limit), hasMore: own.hasMore || all.length > limit }
}

function builtInRecord(id: string): PromptRecord | undefined {
  const template = BUILT_IN_TEMPLATES.find((each) => each.id === id)
  if (!template) return undefined
  const { description } = template
  return { id, description, builtIn: true, latestVersion: 1, labels: { production: 1 }, createdAtMs: 0, updatedAtMs: 0 }
}

function builtInVersion(id: string, number: number): PromptVersionRecord | undefined {
  const template = BUILT_IN_TEMPLATES.find((each) => each.id === id)
  if (!template || number !== 1) return undefined
  const { messages, variables } = template
  return { version: 1, template: { messages, variables }, note: '', createdBy: 'perigee', createdAtMs: 0 }
}
