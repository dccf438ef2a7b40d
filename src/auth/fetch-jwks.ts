/** A provider's public keys over the network: with a time-out, a bound on bytes and on keys, no redirect, and only keys of kinds that we verify with. */
import * as z from 'zod/mini'

const TIMEOUT_MS = 3_000
/** A key with its certificates is some 4 kB. */
const BYTES_MAX = 131_072
const KEYS_MAX = 100

/** Public members alone are kept; what else a provider sends is dropped. */
const base = { kid: z.optional(z.string()), alg: z.optional(z.string()), use: z.optional(z.string()) }
const jwkSchema = z.union([
  z.object({ ...base, kty: z.literal('RSA'), n: z.string(), e: z.string() }),
  z.object({ ...base, kty: z.literal('EC'), crv: z.literal('P-256'), x: z.string(), y: z.string() }),
  z.object({ ...base, kty: z.literal('OKP'), crv: z.literal('Ed25519'), x: z.string() }),
])
const documentSchema = z.object({ keys: z.array(z.unknown()).check(z.maxLength(KEYS_MAX)) })

export type Jwk = z.infer<typeof jwkSchema>

/** Rejects when the provider does not answer in time, or with something else. Keys of other kinds (octets above all) are left out. */
export async function fetchJwks(url: string, options: { fetch: typeof fetch }): Promise<Jwk[]> {
  const response = await options.fetch(url, {
    headers: { accept: 'application/jwk-set+json, application/json' },
    // A redirect would name another place than the one that was configured.
    redirect: 'manual',
    signal: AbortSignal.timeout(TIMEOUT_MS),
  })
  if (response.status !== 200) {
    await response.body?.cancel()
    throw new Error(`The key set was answered with status ${response.status}.`)
  }
  const { keys } = documentSchema.parse(JSON.parse(await boundedText(response)))
  return keys.flatMap((key) => {
    const parsed = jwkSchema.safeParse(key)
    return parsed.success && parsed.data.use !== 'enc' ? [parsed.data] : []
  })
}

async function boundedText(response: Response): Promise<string> {
  if (!response.body) return ''
  const decoder = new TextDecoder()
  const reader = response.body.getReader()
  let text = ''
  let length = 0
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return text + decoder.decode()
    length += value.byteLength
    if (length > BYTES_MAX) {
      await reader.cancel()
      throw new Error(`The key set has more than ${BYTES_MAX} bytes.`)
    }
    text += decoder.decode(value, { stream: true })
  }
}
