/** Where a request comes from on the globe, as Cloudflare says it; undefined elsewhere. For routing only: nobody's authority rests on it. */
import type { Place } from '../chat/ports.ts'
import type { AppContext } from './route.ts'

export function callerPlace(context: AppContext): Place | undefined {
  const { cf } = context.req.raw
  if (cf === undefined || cf === null) return undefined
  const latitude = degrees(cf.latitude, 90)
  const longitude = degrees(cf.longitude, 180)
  const place: Place = {
    ...(typeof cf.country === 'string' ? { country: cf.country } : {}),
    ...(typeof cf.continent === 'string' ? { continent: cf.continent } : {}),
    ...(latitude === undefined || longitude === undefined ? {} : { latitude, longitude }),
  }
  return place
}

/** The platform gives them as text. */
function degrees(value: unknown, most: number): number | undefined {
  const number = typeof value === 'string' && value !== '' ? Number(value) : value
  return typeof number === 'number' && Math.abs(number) <= most ? number : undefined
}
