/** A tenant's templates in D1. Every write is one transaction with the row of `change` that tells isolates of it. */
import type { Template } from '../contract/prompt-template.ts'
import { AppError } from '../errors.ts'
import type { Page, PageRequest, PromptRecord, PromptVersionRecord } from '../http/ports.ts'
import {
  labelsOf,
  PROMPT_COLUMNS,
  type PromptRow,
  promptRecord,
  VERSION_COLUMNS,
  type VersionRow,
  versionRecord,
} from './prompt-rows.ts'

/** Beyond these a registry of templates has become a data set. */
const VERSIONS_MAX = 10_000
const PROMPTS_MAX = 10_000
const LABELS_MAX = 32

/** What the request path needs to choose a version. `generation` tells a prompt from a deleted one of the same id. */
export type Pointers = { generation: string; labels: Readonly<Record<string, number>> }

export type NewVersion = { template: Template; note: string; labels: readonly string[] }

type Options = {
  db: D1Database
  now: () => number
  newId: () => string
  /** Called after a commit; see src/directory/. */
  changed: () => Promise<void>
}

export type PromptStore = ReturnType<typeof promptStore>

/** All methods but `get`, `pointers` and `version` reject with prompt_not_found where there is none. */
export function promptStore({ db, now, newId, changed }: Options) {
  async function row(tenantId: string, id: string): Promise<PromptRow | undefined> {
    const query = `SELECT ${PROMPT_COLUMNS} FROM prompt WHERE tenant_id = ? AND prompt_id = ?`
    return (await db.prepare(query).bind(tenantId, id).first<PromptRow>()) ?? undefined
  }

  async function found(tenantId: string, id: string): Promise<PromptRow> {
    const known = await row(tenantId, id)
    if (!known) throw notFound()
    return known
  }

  async function commit<Row>(statements: D1PreparedStatement[]): Promise<D1Result<Row>[]> {
    const results = await db.batch<Row>(statements)
    await changed()
    return results
  }

  /** Runs the statements, then answers with the prompt as it is now. */
  async function write(tenantId: string, id: string, statements: D1PreparedStatement[]): Promise<PromptRecord> {
    await commit([...statements, changeRow(tenantId, id)])
    return promptRecord(await found(tenantId, id))
  }

  const changeRow = (tenantId: string, id: string) =>
    db
      .prepare("INSERT INTO change (kind, tenant_id, subject, at_ms) VALUES ('prompt', ?, ?, ?)")
      .bind(tenantId, id, now())

  /** Nothing happens when the prompt has been deleted, or is another's of the same id. */
  const point = (at: Place, by: string, label: string, version: number | 'latest_version') =>
    db
      .prepare(
        `INSERT INTO prompt_label (tenant_id, prompt_id, label, version, moved_by, moved_at_ms)
         SELECT tenant_id, prompt_id, ?4, ${version}, ?5, ?6 FROM prompt
         WHERE tenant_id = ?1 AND prompt_id = ?2 AND generation = ?3
         ON CONFLICT DO UPDATE SET version = excluded.version, moved_by = excluded.moved_by, moved_at_ms = excluded.moved_at_ms`,
      )
      .bind(at.tenantId, at.id, at.generation, label, by, now())

  /** The version that the prompt's row now calls its latest. */
  const insertLatest = (at: Place, by: string, { template, note }: NewVersion) =>
    db
      .prepare(
        `INSERT INTO prompt_version (tenant_id, prompt_id, ${VERSION_COLUMNS})
         SELECT tenant_id, prompt_id, latest_version, ?4, ?5, ?6, ?7 FROM prompt
         WHERE tenant_id = ?1 AND prompt_id = ?2 AND generation = ?3 RETURNING ${VERSION_COLUMNS}`,
      )
      .bind(at.tenantId, at.id, at.generation, JSON.stringify(template), note, by, now())

  return {
    async get(tenantId: string, id: string): Promise<PromptRecord | undefined> {
      const known = await row(tenantId, id)
      return known && promptRecord(known)
    },

    async pointers(tenantId: string, id: string): Promise<Pointers | undefined> {
      const known = await row(tenantId, id)
      return known && { generation: known.generation, labels: labelsOf(known) }
    },

    async list(tenantId: string, { limit, after }: PageRequest): Promise<Page<PromptRecord>> {
      const query = `SELECT ${PROMPT_COLUMNS} FROM prompt WHERE tenant_id = ? AND prompt_id > ? ORDER BY prompt_id LIMIT ?`
      const bound = db.prepare(query).bind(tenantId, after ?? '', limit + 1)
      const { results } = await bound.all<PromptRow>()
      return { data: results.slice(0, limit).map(promptRecord), hasMore: results.length > limit }
    },

    /** Which of these ids the tenant has. */
    async known(tenantId: string, ids: readonly string[]): Promise<ReadonlySet<string>> {
      const query = 'SELECT prompt_id FROM prompt WHERE tenant_id = ? AND prompt_id IN (SELECT value FROM json_each(?))'
      const { results } = await db.prepare(query).bind(tenantId, JSON.stringify(ids)).all<{ prompt_id: string }>()
      return new Set(results.map(({ prompt_id }) => prompt_id))
    },

    /** Rejects with already_exists. */
    async create(
      tenantId: string,
      by: string,
      { id, description, ...first }: { id: string; description: string } & NewVersion,
    ): Promise<PromptRecord> {
      const at = { tenantId, id, generation: newId() }
      // The conditions are in the statements: of two callers at once one finds the other's row, and then all of its own do nothing.
      const [created] = await commit([
        db
          .prepare(
            `INSERT INTO prompt (tenant_id, prompt_id, generation, description, latest_version, created_at_ms, updated_at_ms)
             SELECT ?1, ?2, ?3, ?4, 1, ?5, ?5 WHERE (SELECT count(*) FROM prompt WHERE tenant_id = ?1) < ${PROMPTS_MAX}
             ON CONFLICT DO NOTHING`,
          )
          .bind(tenantId, id, at.generation, description, now()),
        insertLatest(at, by, first),
        ...first.labels.map((label) => point(at, by, label, 1)),
        changeRow(tenantId, id),
      ])
      if (created?.meta.changes === 0) {
        if (!(await row(tenantId, id))) throw full(`A tenant may have ${PROMPTS_MAX} prompts.`)
        throw new AppError('already_exists', 'There is a prompt of this id.', { param: 'id' })
      }
      return promptRecord(await found(tenantId, id))
    },

    async describe(tenantId: string, id: string, description: string): Promise<PromptRecord> {
      const statement = 'UPDATE prompt SET description = ?, updated_at_ms = ? WHERE tenant_id = ? AND prompt_id = ?'
      return write(tenantId, id, [db.prepare(statement).bind(description, now(), tenantId, id)])
    },

    async remove(tenantId: string, id: string): Promise<void> {
      await found(tenantId, id)
      const from = (table: string) =>
        db.prepare(`DELETE FROM ${table} WHERE tenant_id = ? AND prompt_id = ?`).bind(tenantId, id)
      await commit([from('prompt_label'), from('prompt_version'), from('prompt'), changeRow(tenantId, id)])
    },

    async addVersion(tenantId: string, by: string, id: string, next: NewVersion): Promise<PromptVersionRecord> {
      const { generation, latest_version } = await found(tenantId, id)
      if (latest_version >= VERSIONS_MAX) throw full(`A prompt may have ${VERSIONS_MAX} versions.`)
      const at = { tenantId, id, generation }
      const counting = `UPDATE prompt SET latest_version = latest_version + 1, updated_at_ms = ?
        WHERE tenant_id = ? AND prompt_id = ? AND generation = ?`
      const [, inserted] = await commit<VersionRow>([
        db.prepare(counting).bind(now(), tenantId, id, generation),
        insertLatest(at, by, next),
        ...next.labels.map((label) => point(at, by, label, 'latest_version')),
        changeRow(tenantId, id),
      ])
      const stored = inserted?.results[0]
      // Deleted in between: nothing was inserted.
      if (!stored) throw notFound()
      return versionRecord(stored)
    },

    async version(tenantId: string, id: string, version: number): Promise<PromptVersionRecord | undefined> {
      const query = `SELECT ${VERSION_COLUMNS} FROM prompt_version WHERE tenant_id = ? AND prompt_id = ? AND version = ?`
      const known = await db.prepare(query).bind(tenantId, id, version).first<VersionRow>()
      return known ? versionRecord(known) : undefined
    },

    /** The newest first; `after` is the number of a version. */
    async versions(tenantId: string, id: string, { limit, after }: PageRequest): Promise<Page<PromptVersionRecord>> {
      await found(tenantId, id)
      const query = `SELECT ${VERSION_COLUMNS} FROM prompt_version
        WHERE tenant_id = ? AND prompt_id = ? AND version < ? ORDER BY version DESC LIMIT ?`
      const before = after === undefined ? VERSIONS_MAX + 1 : Number(after)
      const { results } = await db
        .prepare(query)
        .bind(tenantId, id, before, limit + 1)
        .all<VersionRow>()
      return { data: results.slice(0, limit).map(versionRecord), hasMore: results.length > limit }
    },

    async point(tenantId: string, by: string, id: string, label: string, version: number): Promise<PromptRecord> {
      const known = await found(tenantId, id)
      if (version > known.latest_version) {
        throw new AppError('prompt_not_found', `It has the versions 1 to ${known.latest_version}.`, {
          param: 'version',
        })
      }
      const labels = labelsOf(known)
      if (!Object.hasOwn(labels, label) && Object.keys(labels).length >= LABELS_MAX) {
        throw full(`A prompt may have ${LABELS_MAX} labels.`)
      }
      return write(tenantId, id, [point({ tenantId, id, generation: known.generation }, by, label, version)])
    },

    async unpoint(tenantId: string, id: string, label: string): Promise<PromptRecord> {
      const statement = 'DELETE FROM prompt_label WHERE tenant_id = ? AND prompt_id = ? AND label = ?'
      return write(tenantId, id, [db.prepare(statement).bind(tenantId, id, label)])
    },
  }
}

type Place = { tenantId: string; id: string; generation: string }

export function notFound(): AppError {
  return new AppError('prompt_not_found', 'There is no such prompt template. GET /v1/prompts lists those there are.')
}

function full(message: string): AppError {
  return new AppError('invalid_request', message)
}
