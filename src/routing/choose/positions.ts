/** Where things are on the globe, and how far apart. */
import type { Place } from '../../chat/ports.ts'
import { REGION_POSITIONS } from './region-positions.ts'

/** Degrees, north and east positive. */
export type Position = { latitude: number; longitude: number }

/** By the names that AWS, Google Cloud and Azure give their regions. */
export function regionPosition(region: string | undefined): Position | undefined {
  const found = region === undefined ? undefined : REGION_POSITIONS.get(region)
  return found && { latitude: found[0], longitude: found[1] }
}

/** Where most of its people are: good for telling one ocean's shore from the other's. */
const CONTINENTS: Readonly<Record<string, Position>> = {
  AF: { latitude: 5, longitude: 18 },
  AN: { latitude: -77, longitude: 166 },
  AS: { latitude: 25, longitude: 95 },
  EU: { latitude: 50, longitude: 12 },
  NA: { latitude: 38, longitude: -92 },
  OC: { latitude: -30, longitude: 148 },
  SA: { latitude: -17, longitude: -55 },
}

export function placePosition(place: Place | undefined): Position | undefined {
  if (place === undefined) return undefined
  const { latitude, longitude, continent } = place
  if (latitude !== undefined && longitude !== undefined) return { latitude, longitude }
  return continent !== undefined && Object.hasOwn(CONTINENTS, continent) ? CONTINENTS[continent] : undefined
}

const EARTH_RADIUS_KM = 6_371
const RADIANS = Math.PI / 180

/** By the haversine formula, which is exact enough also for neighbours. */
export function greatCircleKm(from: Position, to: Position): number {
  const latitudes = Math.sin(((to.latitude - from.latitude) * RADIANS) / 2) ** 2
  const longitudes = Math.sin(((to.longitude - from.longitude) * RADIANS) / 2) ** 2
  const chord = latitudes + Math.cos(from.latitude * RADIANS) * Math.cos(to.latitude * RADIANS) * longitudes
  return 2 * EARTH_RADIUS_KM * Math.asin(Math.sqrt(Math.min(1, chord)))
}
