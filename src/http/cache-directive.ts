/** What a request says of the cache, in its headers: `Cache-Control` (RFC 9111 5.2.1) and `x-perigee-cache`. */
import type { CacheDirective } from '../chat/ports.ts'
import { AppError } from '../errors.ts'

export const CACHE_HEADER = 'x-perigee-cache'

/** Ten years; a larger number means no limit, too. */
const MAX_AGE_SECONDS_MAX = 315_360_000

type HeaderOf = (name: string) => string | undefined

/** Throws invalid_request for a value of our own header that means nothing: a slip must not become a charge. */
export function cacheDirective(header: HeaderOf): CacheDirective {
  const mode = modeOf(header(CACHE_HEADER))
  const control = header('cache-control')
  if (control === undefined) return DIRECTIVES[mode]
  const directive: CacheDirective = { mode }
  for (const part of control.split(',')) {
    const [name = '', value = ''] = part.trim().toLowerCase().split('=')
    if (name === 'no-cache') directive.noCache = true
    if (name === 'no-store') directive.noStore = true
    // What cannot be read is as old as can be (RFC 9111 4.2.1).
    if (name === 'max-age') directive.maxAgeSeconds = secondsIn(value)
  }
  return directive
}

/** Most requests say nothing: they share one. */
const DIRECTIVES: Readonly<Record<CacheDirective['mode'], CacheDirective>> = {
  default: { mode: 'default' },
  on: { mode: 'on' },
  off: { mode: 'off' },
}

function modeOf(value: string | undefined): CacheDirective['mode'] {
  const said = value?.trim().toLowerCase()
  if (said === undefined) return 'default'
  if (said === 'on' || said === 'off') return said
  throw new AppError('invalid_request', `${CACHE_HEADER} must be on or off.`, { param: CACHE_HEADER })
}

function secondsIn(value: string): number {
  const digits = value.replaceAll('"', '')
  return /^\d{1,16}$/.test(digits) ? Math.min(Number(digits), MAX_AGE_SECONDS_MAX) : 0
}
