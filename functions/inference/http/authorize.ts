/** Who may call: whoever can reach a loopback address, or whoever holds the key. */
import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { RequestError } from './request-error.ts'

/** `closed`: only open routes answer, as in a SageMaker container without a key. */
export type Access = { kind: 'open' } | { kind: 'key'; key: string } | { kind: 'closed' }

const digest = (text: string) => createHash('sha256').update(text).digest()

/** @returns a check that throws RequestError; digests are compared, so that neither content nor length can be timed */
export function createAuthorize(access: Access): (request: IncomingMessage) => void {
  const wanted = access.kind === 'key' ? digest(access.key) : null
  return (request) => {
    if (access.kind === 'open') return
    const given = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1]
    if (wanted !== null && given !== undefined && timingSafeEqual(digest(given), wanted)) return
    throw new RequestError('invalid_api_key', 'This server needs its key: Authorization: Bearer KEY.')
  }
}
