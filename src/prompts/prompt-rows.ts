/** Rows of the tables of migrations/0007_prompts.sql, and what the API knows of them. */
import type { Template } from '../contract/prompt-template.ts'
import type { PromptRecord, PromptVersionRecord } from '../http/ports.ts'

export type PromptRow = {
  prompt_id: string
  generation: string
  description: string
  latest_version: number
  created_at_ms: number
  updated_at_ms: number
  /** JSON: version by label. */
  labels: string
}

export const PROMPT_COLUMNS = `prompt_id, generation, description, latest_version, created_at_ms, updated_at_ms,
  (SELECT json_group_object(label, version) FROM prompt_label
   WHERE prompt_label.tenant_id = prompt.tenant_id AND prompt_label.prompt_id = prompt.prompt_id) AS labels`

export type VersionRow = { version: number; template: string; note: string; created_by: string; created_at_ms: number }

export const VERSION_COLUMNS = 'version, template, note, created_by, created_at_ms'

export function promptRecord(row: PromptRow): PromptRecord {
  return {
    id: row.prompt_id,
    description: row.description,
    builtIn: false,
    latestVersion: row.latest_version,
    labels: labelsOf(row),
    createdAtMs: row.created_at_ms,
    updatedAtMs: row.updated_at_ms,
  }
}

export function labelsOf({ labels }: PromptRow): Record<string, number> {
  // Sound: SQLite wrote it from the two columns.
  return JSON.parse(labels) as Record<string, number>
}

export function versionRecord(row: VersionRow): PromptVersionRecord {
  return {
    version: row.version,
    // Sound: parsed with templateSchema before it was stored, and never changed since.
    template: JSON.parse(row.template) as Template,
    note: row.note,
    createdBy: row.created_by,
    createdAtMs: row.created_at_ms,
  }
}
