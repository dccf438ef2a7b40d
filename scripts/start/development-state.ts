/** The local state folder: the development key and the variables the Worker gets. Both survive a restart; neither is in git. */
import { randomBytes } from 'node:crypto'
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { makeApiKey, parseApiKey, sha256Hex } from '../../src/auth/api-key.ts'
import { envFileText, workerVariables } from './worker-variables.ts'

export type DevelopmentState = {
  key: string
  /** wrangler's --env-file. Never .dev.vars: that would be read by every command in the checkout. */
  envFile: string
  /** wrangler's --persist-to. */
  persistDir: string
}

const KEY_FILE = 'dev-key'
const TOKEN_SECRET_FILE = 'token-secret'
const TOKEN_SECRET_BYTES = 32

/** The key of an earlier start, or undefined when there is none or the file was damaged. */
export function readDevelopmentKey(stateDir: string): string | undefined {
  try {
    const text = readFileSync(join(stateDir, KEY_FILE), 'utf8').trim()
    return parseApiKey(text) ? text : undefined
  } catch {
    return undefined
  }
}

/** Signs access tokens, so it must survive a restart as sessions do. */
function readTokenSecret(stateDir: string): string | undefined {
  try {
    const text = readFileSync(join(stateDir, TOKEN_SECRET_FILE), 'utf8').trim()
    return /^[\w-]{43}$/.test(text) ? text : undefined
  } catch {
    return undefined
  }
}

export type PreparedState = { kind: 'state'; state: DevelopmentState } | { kind: 'wrong'; message: string }

/**
 * Makes what is missing. The Worker's file holds the key's hash, never the key; what `environment` sets for the Worker goes into it, for
 * wrangler hands on nothing else.
 */
export function prepareState(
  stateDir: string,
  settings: { modelName: string; inferencePort: number },
  environment: Readonly<NodeJS.ProcessEnv>,
): PreparedState {
  mkdirSync(stateDir, { recursive: true, mode: 0o700 })
  const key = readDevelopmentKey(stateDir) ?? makeApiKey()
  const tokenSecret = readTokenSecret(stateDir) ?? randomBytes(TOKEN_SECRET_BYTES).toString('base64url')
  const secrets = { PERIGEE_TOKEN_SECRET: environment.PERIGEE_TOKEN_SECRET || tokenSecret }
  const prepared = workerVariables(
    { ...environment, ...secrets },
    {
      PERIGEE_INFERENCE_URL: `http://127.0.0.1:${settings.inferencePort}`,
      PERIGEE_DEFAULT_MODEL: settings.modelName,
      PERIGEE_KEY_SHA256: sha256Hex(key),
    },
  )
  if (prepared.kind === 'wrong') return prepared
  writeSecret(join(stateDir, KEY_FILE), `${key}\n`)
  writeSecret(join(stateDir, TOKEN_SECRET_FILE), `${tokenSecret}\n`)
  const envFile = join(stateDir, 'worker.env')
  writeSecret(envFile, envFileText(prepared.variables))
  return { kind: 'state', state: { key, envFile, persistDir: join(stateDir, 'worker') } }
}

/** Readable by the owner alone, also where the file was there before with another mode. */
function writeSecret(path: string, text: string): void {
  writeFileSync(path, text, { mode: 0o600 })
  chmodSync(path, 0o600)
}
