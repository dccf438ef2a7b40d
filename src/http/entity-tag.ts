/** Entity tags of stored objects: their version in quotes (RFC 9110 8.8.3), and what a write may expect to replace. */
import { AppError } from '../errors.ts'
import type { ExpectedVersion } from './ports.ts'
import type { AppContext } from './route.ts'

export function entityTag(version: number): string {
  return `"${version}"`
}

/**
 * By `If-Match` and `If-None-Match: *`, the same on every route. Throws invalid_request (400) for what no version of ours could be called;
 * a version that is not the present one is the store's to find: stale_write (412).
 */
export function expectedVersion(context: AppContext): ExpectedVersion {
  const match = context.req.header('if-match')
  const noneMatch = context.req.header('if-none-match')
  if (match !== undefined && noneMatch !== undefined) {
    throw new AppError('invalid_request', 'If-Match and If-None-Match exclude each other.', { param: 'If-Match' })
  }
  if (noneMatch !== undefined) {
    if (noneMatch.trim() === '*') return 'none'
    throw new AppError('invalid_request', 'If-None-Match must be *.', { param: 'If-None-Match' })
  }
  if (match === undefined) return 'any'
  const version = /^"(\d{1,15})"$/.exec(match.trim())?.[1]
  if (version !== undefined) return Number(version)
  throw new AppError('invalid_request', 'If-Match must be the ETag that a read gave.', { param: 'If-Match' })
}
