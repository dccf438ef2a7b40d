/** Refuses a body that says it is too large before anything of it is read. One that does not say is counted by read-json.ts. */
import type { MiddlewareHandler } from 'hono'
import { AppError } from '../../errors.ts'
import type { AppContext, AppEnv, BodyKind } from '../route.ts'

/** About a million tokens of text, which is the largest context that any model reads. */
export const TEXT_BODY_BYTES_MAX = 4 * 1_048_576

/** Forms, users, settings: a screen full of text. */
export const SMALL_BODY_BYTES_MAX = 65_536

export function bodyLimit(kind: BodyKind): MiddlewareHandler<AppEnv> {
  return async (context, next) => {
    const length = context.req.header('content-length')
    const bytesMax = bodyBytesMax(context, kind)
    if (length !== undefined && Number(length) > bytesMax) throw bodyTooLarge(bytesMax)
    await next()
  }
}

export function bodyBytesMax(context: AppContext, kind: BodyKind): number {
  const configured = context.get('ports').settings.bodyBytesMax
  return Math.min(configured, BYTES_MAX[kind])
}

export function bodyTooLarge(bytesMax: number): AppError {
  return new AppError('body_too_large', `The body may have ${bytesMax} bytes at most.`)
}

const BYTES_MAX: Readonly<Record<BodyKind, number>> = {
  content: Number.POSITIVE_INFINITY,
  text: TEXT_BODY_BYTES_MAX,
  small: SMALL_BODY_BYTES_MAX,
}
