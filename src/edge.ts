/**
 * What answers a request: an app with the eager routes alone, or the whole one, which is loaded when first needed. So an isolate that has
 * just begun evaluates neither the schemas, the routes nor the wiring of what it may never be asked for.
 */
import type { Hono } from 'hono'
import { getPath } from 'hono/utils/url'
import { createApp } from './app.ts'
import type { Env } from './env.ts'
import { eagerRoutes } from './http/eager-routes.ts'
import type { AppEnv } from './http/route.ts'
import { wire } from './wiring.ts'

export function edge(): Required<Pick<ExportedHandler<Env>, 'fetch'>> {
  const eager = createApp(wire, eagerRoutes)
  const eagerPaths = new Set(eagerRoutes.map(({ path }) => path))
  let whole: Hono<AppEnv> | undefined
  return {
    fetch(request, env, context) {
      if (eagerPaths.has(getPath(request))) return eager.fetch(request, env, context)
      if (whole) return whole.fetch(request, env, context)
      // Not a promise that is kept: one request cannot wait for what another one began.
      return import('./whole-app.ts').then(({ wholeApp }) => {
        whole ??= wholeApp()
        return whole.fetch(request, env, context)
      })
    },
  }
}
