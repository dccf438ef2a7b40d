/** The variables of the Worker that `npm start` runs: what the environment sets for it, and what only this program knows. */
import { readConfig, settingsSchema, UPSTREAM_SECRET } from '../../src/config.ts'
import type { Env } from '../../src/env.ts'

/** What `npm start` decides itself, whatever the environment says: README.md (Settings) names the same three. */
export type OwnVariables = {
  PERIGEE_INFERENCE_URL: string
  PERIGEE_DEFAULT_MODEL: string
  PERIGEE_KEY_SHA256: string
}

/** On one machine other models' servers are inside, too, and whoever may configure them runs the machine. */
const UNLESS_GIVEN = { PERIGEE_ALLOW_INTERNAL_URLS: 'on' } as const

export type WorkerVariables =
  | { kind: 'variables'; variables: Record<string, string> }
  /** The sentence names each wrong setting and repeats no value. */
  | { kind: 'wrong'; message: string }

/** An empty variable is one that is not set, as for the inference server, which gets the environment itself. */
export function workerVariables(environment: Readonly<NodeJS.ProcessEnv>, own: OwnVariables): WorkerVariables {
  const secrets = Object.keys(environment).filter((name) => UPSTREAM_SECRET.test(name))
  const given = [...Object.keys(settingsSchema.shape), ...secrets].flatMap((name): [string, string][] => {
    const value = environment[name]
    return value ? [[name, value]] : []
  })
  const variables: Record<string, string> = { ...UNLESS_GIVEN, ...Object.fromEntries(given), ...own }
  const unwritable = Object.keys(variables).find((name) => !isWritable(variables[name] ?? ''))
  if (unwritable !== undefined)
    return { kind: 'wrong', message: `${unwritable} holds a character that cannot be handed on.` }
  try {
    // Sound: settings are read by name, and the bindings are not looked at.
    readConfig(variables as unknown as Env)
  } catch (thrown) {
    return { kind: 'wrong', message: thrown instanceof Error ? thrown.message : String(thrown) }
  }
  return { kind: 'variables', variables }
}

/** For wrangler's --env-file, which is dotenv with expansion: only a backslash keeps a `$` from naming another variable. */
export function envFileText(variables: Readonly<Record<string, string>>): string {
  return Object.entries(variables)
    .map(([name, value]) => `${name}=${quoteFor(value)}${value.replaceAll('$', '\\$')}${quoteFor(value)}\n`)
    .join('')
}

/** dotenv takes what is in these quotes as it is; no other escape is undone. */
function quoteFor(value: string): string {
  return value.includes("'") ? '`' : "'"
}

function isWritable(value: string): boolean {
  return !(value.includes("'") && value.includes('`')) && !value.endsWith('\\') && !/[\r\n]/.test(value)
}
