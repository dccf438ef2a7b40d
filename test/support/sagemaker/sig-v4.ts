/**
 * AWS Signature Version 4 from its description, for the side that checks: written apart from the client's signer, so that one mistake
 * is not made on both sides. For paths of letters, digits and dashes without a query, which is all that the runtime has.
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'

export type KnownKey = { secretAccessKey: string; sessionToken?: string; expired?: boolean }

export type SignedRequest = { method: string; path: string; headers: IncomingHttpHeaders; body: Uint8Array }

export type Refused = { type: string; message: string }

const AUTHORIZATION =
  /^AWS4-HMAC-SHA256 Credential=(?<id>\w+)\/(?<scope>(?<day>\d{8})\/(?<region>[\w-]+)\/(?<service>[\w-]+)\/aws4_request), ?SignedHeaders=(?<signed>[\w;-]+), ?Signature=(?<signature>[0-9a-f]{64})$/
/** AWS takes clocks that are five minutes off. */
const SKEW_MS = 300_000
/** What must be signed, where it is there. */
const MUST_SIGN = ['host', 'x-amz-date', 'x-amz-security-token', 'content-type', 'x-amz-content-sha256']

/** Undefined when the signature holds; else what AWS answers with 403. */
export function refuseSignature(
  request: SignedRequest,
  expected: { region: string; service: string; keys: Readonly<Record<string, KnownKey>>; now: number },
): Refused | undefined {
  const { headers } = request
  const given = AUTHORIZATION.exec(headers.authorization ?? '')?.groups
  if (!given) return { type: 'MissingAuthenticationTokenException', message: 'Missing Authentication Token' }
  const { id = '', scope = '', day = '', region, service, signed = '', signature = '' } = given
  const key = expected.keys[id]
  if (!key || (key.sessionToken !== undefined && headers['x-amz-security-token'] !== key.sessionToken)) {
    return {
      type: 'UnrecognizedClientException',
      message: 'The security token included in the request is invalid.',
    }
  }
  if (key.expired) {
    return { type: 'ExpiredTokenException', message: 'The security token included in the request is expired' }
  }
  if (region !== expected.region || service !== expected.service) {
    return invalid(`Credential should be scoped to a valid region, not '${region}'.`)
  }
  const date = String(headers['x-amz-date'])
  const at = Date.parse(date.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'))
  if (!(Math.abs(expected.now - at) < SKEW_MS) || !date.startsWith(day)) {
    return invalid(`Signature expired: ${date} is now earlier than allowed`)
  }
  const names = signed.split(';')
  const unsigned = MUST_SIGN.filter((name) => headers[name] !== undefined && !names.includes(name))
  if (unsigned.length > 0) return invalid(`Not signed: ${unsigned.join(', ')}`)
  const canonical = [
    request.method,
    request.path,
    '',
    ...names.map((name) => `${name}:${String(headers[name]).trim().replace(/ +/g, ' ')}`),
    '',
    signed,
    sha256(request.body),
  ].join('\n')
  const text = ['AWS4-HMAC-SHA256', date, scope, sha256(canonical)].join('\n')
  const signingKey = scope
    .split('/')
    .reduce<Uint8Array>((previous, part) => hmac(previous, part), Buffer.from(`AWS4${key.secretAccessKey}`))
  if (timingSafeEqual(hmac(signingKey, text), Buffer.from(signature, 'hex'))) return undefined
  return invalid(
    'The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.',
  )
}

const invalid = (message: string): Refused => ({ type: 'InvalidSignatureException', message })
const sha256 = (bytes: Uint8Array | string) => createHash('sha256').update(bytes).digest('hex')
const hmac = (key: Uint8Array, text: string) => createHmac('sha256', key).update(text).digest()
