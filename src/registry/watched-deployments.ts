/** What the health of deployments must know of the configuration: where each is asked, and whose address comes by heartbeat. Pure. */
import { baseUrlProblem, type UrlRules } from './base-url.ts'
import type { RoutingTable } from './routing-table.ts'

const CHECK_EVERY_MS = 10_000

type Table = (() => RoutingTable | Promise<RoutingTable>) & { last(): RoutingTable | undefined }

/** `last`: the table that this isolate knows, undefined before the first. */
export function watchedDeployments(table: Table, rules: UrlRules) {
  const { last } = table
  const configOf = (id: string) => last()?.deployments.get(id)?.config
  return {
    /** Rejects with store_unavailable while nobody has ever known. */
    ids: async (): Promise<readonly string[]> => [...(await table()).deployments.keys()],

    checkOf(id: string): { url: string; intervalMs: number } | undefined {
      const config = configOf(id)
      // One that announces itself tells how it does; its heartbeats are the check.
      if (config?.url === undefined || config.adapter === 'sagemaker' || config.health?.off) return undefined
      const path = config.health?.path ?? (config.adapter === 'inference' ? '/health' : undefined)
      if (path === undefined) return undefined
      const intervalMs = config.health?.interval_ms ?? CHECK_EVERY_MS
      return { url: config.url.replace(/\/+$/, '') + path, intervalMs }
    },

    isAnnounced(id: string): boolean {
      const config = configOf(id)
      return config?.adapter === 'inference' && config.url === undefined
    },

    urlProblem: (url: string): string | undefined => baseUrlProblem(url, rules),
  }
}
