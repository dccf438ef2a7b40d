/** What becomes of another gateway's configuration: ours, the secrets it needs, and what has no place here. */
import { PRESETS, type PresetName } from '../../src/contract/provider-presets.ts'
import type { RoutingConfig, WrittenDeployment } from '../../src/contract/routing-config.ts'
import { hasPlaceholder } from '../../src/registry/with-preset.ts'

export type Imported = {
  config: RoutingConfig
  /** To be put before the file is applied; `from` says where its value is now, never the value. */
  secrets: { secret: string; from: string }[]
  /** By the path of the field in the other's file. */
  notes: { field: string; why: string }[]
}

/** One that is being made. */
export type Gathered = { config: RoutingConfig; secrets: Map<string, string>; notes: Imported['notes'] }

export type Note = (field: string, why: string) => void

export type Fields = Readonly<Record<string, unknown>>

export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export const fieldsOf = (value: unknown): Fields => (isFields(value) ? value : {})
export const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])
export const textOf = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' ? value : undefined
export const numberOf = (value: unknown): number | undefined => {
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value
  return typeof number === 'number' && Number.isFinite(number) ? number : undefined
}

const SECRET_CHARS_MAX = 48
const ID_CHARS_MAX = 60

/** UPSTREAM_ and the name of the variable, or of whatever else the key belongs to. */
export function secretName(of: string): string {
  const plain = of
    .toUpperCase()
    .replace(/[^A-Z0-9]+/g, '_')
    .replace(/^UPSTREAM_|^_+|_+$/g, '')
  return `UPSTREAM_${plain.slice(0, SECRET_CHARS_MAX) || 'KEY'}`
}

/** One that is not taken yet. */
export function freeId(wanted: string, taken: Readonly<Record<string, unknown>>): string {
  const plain =
    wanted
      .replace(/[^A-Za-z0-9._-]+/g, '-')
      .replace(/^[^A-Za-z0-9]+/, '')
      .slice(0, ID_CHARS_MAX) || 'deployment'
  for (let number = 1; ; number++) {
    const id = number === 1 ? plain : `${plain}-${number}`
    if (!Object.hasOwn(taken, id)) return id
  }
}

/** `url` with or without the preset's path; `why` where an address is missing that only the account knows. */
export function placed(
  preset: PresetName,
  url: string | undefined,
): { place: Partial<WrittenDeployment>; why?: string } {
  const { path, url: usual } = PRESETS[preset]
  if (url === undefined) {
    return hasPlaceholder(usual)
      ? { place: { preset, url: usual }, why: `its address is missing: write it in place of ${usual}` }
      : { place: { preset } }
  }
  const base = url.replace(/\/+$/, '')
  return { place: { preset, url: path !== '' && base.endsWith(path) ? base.slice(0, -path.length) : base } }
}

/** A server that speaks OpenAI's protocol at that address. */
export function placedAt(url: string): Partial<WrittenDeployment> {
  return { adapter: 'openai', url: url.replace(/\/+$/, '').replace(/\/v1$/, '') }
}

/** One note for each field below `at`. */
export function noteAll({ notes }: Gathered, at: string, value: unknown, why: string): void {
  const names = isFields(value) ? Object.keys(value) : []
  if (names.length === 0) notes.push({ field: at, why })
  for (const name of names) notes.push({ field: `${at}.${name}`, why })
}
