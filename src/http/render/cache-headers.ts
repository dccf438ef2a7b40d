/** What an answer says of the cache: `x-perigee-cache`, and `Age` (RFC 9111 5.1) where it was remembered. */
import type { CacheNote } from '../../chat/ports.ts'
import { CACHE_HEADER } from '../cache-directive.ts'

export function cacheHeaders(note: CacheNote): Record<string, string> {
  return note.status === 'hit'
    ? { [CACHE_HEADER]: 'hit', age: String(note.ageSeconds) }
    : { [CACHE_HEADER]: note.status }
}
