/** What fields with schemas have in common: how they are parsed and refused, and that the engine is asked before the headers go out. */
import type * as z from 'zod/mini'
import type { GrammarSource } from '../grammar/grammar-source.ts'
import { engineError, RequestError } from './request-error.ts'
import type { Serving } from './serving.ts'

/** @throws RequestError naming what in the field is wrong */
export function parseField<Output>(schema: z.ZodMiniType<Output>, value: unknown, field: string): Output {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  const param = (issue?.path ?? []).reduce<string>(
    (path, key) => (typeof key === 'number' ? `${path}[${key}]` : `${path}.${String(key)}`),
    field,
  )
  throw new RequestError('invalid_request', `${param}: ${issue?.message ?? 'is invalid'}`, param)
}

export const refusedSchema = (param: string, reason: string) =>
  new RequestError('invalid_request', `${param}: this schema cannot be followed: ${reason}`, param)

/** @param param the field to name when the engine refuses @throws RequestError */
export async function checkGrammar({ engine }: Serving, grammar: GrammarSource, param: string): Promise<void> {
  const result = await engine.compile(grammar)
  if (result.ok) return
  throw 'code' in result ? engineError(result.code) : refusedSchema(param, result.message)
}
