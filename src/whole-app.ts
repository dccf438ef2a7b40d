/** The app with every route and every port. src/edge.ts loads it when a path is asked for that is not among the eager ones. */
import type { Hono } from 'hono'
import { createApp } from './app.ts'
import type { Env } from './env.ts'
import type { HttpPorts } from './http/ports.ts'
import type { AppEnv } from './http/route.ts'
import { routes } from './http/route-table.ts'
import { wireControlPlane } from './wiring/control-plane.ts'
import { wire } from './wiring.ts'

const made = new WeakMap<Env, HttpPorts>()

/** The same ports for the same env, those of the request path shared with the eager app. Throws when a setting is wrong. */
export function allPorts(env: Env): HttpPorts {
  const known = made.get(env)
  if (known) return known
  const wiring = wire(env)
  const ports = { ...wiring, ...wireControlPlane(wiring.isolate) }
  made.set(env, ports)
  return ports
}

/** `portsOf` as for createApp. */
export function wholeApp(portsOf: (env: Env) => HttpPorts = allPorts): Hono<AppEnv> {
  return createApp(portsOf, routes)
}
