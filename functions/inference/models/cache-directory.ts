/** Where models are kept: one place for all checkouts of a user. */
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'

/** PERIGEE_CACHE_DIR, else $XDG_CACHE_HOME/perigee, else ~/.cache/perigee; always absolute. An empty variable counts as not set. */
export function cacheDirectory(env: Record<string, string | undefined>): string {
  if (env.PERIGEE_CACHE_DIR) return resolve(env.PERIGEE_CACHE_DIR)
  if (env.XDG_CACHE_HOME) return resolve(env.XDG_CACHE_HOME, 'perigee')
  return join(homedir(), '.cache', 'perigee')
}
