/** The routing document's routes of a running installation, for the command. */
import type { PlannedChange } from './diff-text.ts'

export type Plan = {
  version: number
  valid: boolean
  errors: { param: string; detail: string }[]
  diff: PlannedChange[]
}

export type Version = {
  version: number
  created_at: number | null
  created_by: { key_id: string; user_id?: string } | null
  comment: string
  rolled_back_to?: number
  changes: number
  diff: PlannedChange[]
  config?: object
}

/** A refusal of the configuration: a sentence for each mistake. */
export class Refused extends Error {
  readonly reasons: readonly string[]
  constructor(reasons: readonly string[]) {
    super('The configuration was refused, and nothing was changed.')
    this.reasons = reasons
  }
}

export function sentences(errors: Plan['errors']): string[] {
  return errors.map(({ param, detail }) => `${param === '' ? 'the whole' : param} ${detail}`)
}

export function configApi(url: string, key: string) {
  const base = `${url.replace(/\/+$/, '')}/admin/config`

  async function ask<Answer>(method: string, path: string, body?: unknown, version?: number): Promise<Answer> {
    const response = await fetch(`${base}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${key}`,
        'content-type': 'application/json',
        ...(version === undefined ? {} : { 'if-match': `"${version}"` }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const answer: unknown = await response.json().catch(() => ({}))
    // Sound: an installation of the same release answers as its OpenAPI document says.
    if (response.ok) return answer as Answer
    const { detail, code, errors } = answer as { detail?: string; code?: string; errors?: Plan['errors'] }
    if (errors) throw new Refused(sentences(errors))
    throw new Error(`${detail ?? `status ${response.status}`}${code ? ` (${code})` : ''}`)
  }

  const withComment = (path: string, comment: string) => `${path}?comment=${encodeURIComponent(comment)}`
  return {
    current: () => ask<Version>('GET', ''),
    version: (number: number) => ask<Version>('GET', `/versions/${number}`),
    versions: (limit: number) => ask<{ data: Version[] }>('GET', `/versions?limit=${limit}`),
    plan: (document: unknown) => ask<Plan>('POST', '/plan', document),
    /** Only if `version` still holds. */
    apply: (document: unknown, version: number, comment: string) =>
      ask<Version>('PUT', withComment('', comment), document, version),
    rollBack: (version: number, comment: string) => ask<Version>('POST', '/rollback', { version, comment }),
  }
}
