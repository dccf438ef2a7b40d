/** Where tools that were fetched for a bench are kept between runs and checkouts. */
import { mkdirSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

/** The same rule as for models: PERIGEE_CACHE_DIR, else $XDG_CACHE_HOME/perigee, else ~/.cache/perigee. */
export function cacheFolder(name: string, environment: NodeJS.ProcessEnv = process.env): string {
  const { PERIGEE_CACHE_DIR, XDG_CACHE_HOME } = environment
  const base = PERIGEE_CACHE_DIR || join(XDG_CACHE_HOME || join(homedir(), '.cache'), 'perigee')
  const folder = join(base, 'bench', name)
  mkdirSync(folder, { recursive: true })
  return folder
}
