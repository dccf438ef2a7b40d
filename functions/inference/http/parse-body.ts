/** A request's body as JSON within bounds, and as the type that a schema gives it. */
import type { IncomingMessage } from 'node:http'
import * as z from 'zod/mini'
import { RequestError } from './request-error.ts'

// zod/mini has no messages of its own.
z.config(z.locales.en())

/** The longest context that is served is 8,192 tokens today, which as ids is 60 kB and as text rarely 100 kB; the rest is room. */
export const BODY_BYTES_MAX = 4 * 1024 * 1024

/**
 * @throws RequestError for a body that is not JSON, says it is not, or is too large
 * The content type is required: a web page cannot send it to this machine without asking first (CORS), plain text it can.
 */
export async function readJson(request: IncomingMessage): Promise<unknown> {
  const contentType = request.headers['content-type'] ?? ''
  if (!/^application\/json\s*(;|$)/i.test(contentType)) {
    throw new RequestError('invalid_content_type', 'The body must be JSON: send Content-Type: application/json.')
  }
  if (Number(request.headers['content-length'] ?? 0) > BODY_BYTES_MAX) throw tooLarge()
  const chunks: Buffer[] = []
  let bytes = 0
  // The rest of a refused body is left to node, which discards it: a closed connection would take the answer with it.
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    bytes += chunk.length
    if (bytes > BODY_BYTES_MAX) throw tooLarge()
    chunks.push(chunk)
  }
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks)))
  } catch {
    throw new RequestError('invalid_json', 'The body is not valid JSON.')
  }
}

const tooLarge = () => new RequestError('body_too_large', `The body is larger than ${BODY_BYTES_MAX} bytes.`)

/** @throws RequestError naming the first field that is wrong */
export function parse<Output>(schema: z.ZodMiniType<Output>, body: unknown): Output {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw new RequestError('invalid_request', 'The body must be a JSON object.')
  }
  const parsed = schema.safeParse(body)
  if (parsed.success) return parsed.data
  const [first] = parsed.error.issues
  const issue = first && deepest(first)
  const param = pathOf(issue?.path ?? [])
  throw new RequestError('invalid_request', `${param || 'body'}: ${issue?.message ?? 'is invalid'}`, param || null)
}

/**
 * Of a union's branches the one that the caller meant: a value of the right type that is out of bounds says more than one of another type,
 * and one that is wrong deep inside more than one that is wrong at once.
 */
function deepest(issue: z.core.$ZodIssue): z.core.$ZodIssue {
  if (issue.code !== 'invalid_union') return issue
  const branches = issue.errors.flatMap(([inner]) => (inner ? [deepest(inner)] : []))
  const best = branches.toSorted((one, other) => closeness(other) - closeness(one))[0]
  if (best === undefined) return issue
  // Of several that are as wrong as each other, none says what all would take.
  if (closeness(best) === 0) {
    const types = new Set(branches.map((inner) => ('expected' in inner ? inner.expected : 'another value')))
    return { ...issue, message: `Invalid input: expected ${[...types].join(' or ')}` }
  }
  return { ...best, path: [...issue.path, ...best.path] }
}

/** No path is as deep as the weight of the right type; of two lists the one that is right for longer is closer. */
function closeness({ path, code }: z.core.$ZodIssue): number {
  const index = path.findLast((key) => typeof key === 'number') ?? 0
  return path.length + index / (index + 1) + (code === 'invalid_type' ? 0 : 1_000)
}

/** As in `messages[0].content`. */
function pathOf(path: readonly PropertyKey[]): string {
  return path.reduce<string>(
    (text, key) => (typeof key === 'number' ? `${text}[${key}]` : text === '' ? String(key) : `${text}.${String(key)}`),
    '',
  )
}
