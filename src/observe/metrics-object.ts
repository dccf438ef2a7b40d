/** Counters of all isolates, in one SQLite Durable Object. */
import { DurableObject } from 'cloudflare:workers'
import type { Env } from '../env.ts'

export class Metrics extends DurableObject<Env> {}
