/**
 * The health of deployments as one region sees it: a Durable Object named by the continent, `all` where that is not known. Isolates
 * report once a second and hear what the others saw. It stores nothing: who forgets is taught again by the next reports. It asks
 * endpoints whether they are well, by alarm, as long as somebody called them in the last minutes.
 */
import { DurableObject } from 'cloudflare:workers'
import type { Env } from '../env.ts'
import type { AnnouncedServer, RegionHealthRecord } from '../http/ports.ts'
import { activeCheck } from './active-check.ts'
import { deploymentStatus } from './health-status.ts'
import type { Endpoints, HealthAnswer, HealthReport, WaitAnswer, WaitAsk } from './health-wire.ts'
import { type RegionHealth, regionHealth } from './region-health.ts'

const LOOK_FOR_SERVERS_EVERY_MS = 2_000
const LOOK_TIMEOUT_MS = 1_000

export class Health extends DurableObject<Env> {
  readonly #region: RegionHealth
  #servers: AnnouncedServer[] | undefined
  #endpoints: Endpoints | undefined
  #lookedAtMs = 0
  #looking: Promise<void> | undefined
  #alarmAtMs = Number.POSITIVE_INFINITY

  constructor(state: DurableObjectState, env: Env) {
    super(state, env)
    this.#region = regionHealth({
      random: Math.random,
      nowMs: () => Date.now(),
      sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
      endpoints: () => this.#endpoints,
    })
  }

  async exchange(report: HealthReport): Promise<HealthAnswer> {
    await this.#knowServers()
    const answer = await this.#region.exchange(report)
    await this.#planChecks()
    return answer
  }

  wait(ask: WaitAsk): Promise<WaitAnswer> {
    return this.#region.wait(ask)
  }

  leave(waiterId: string): Promise<void> {
    return this.#region.leave(waiterId)
  }

  /** For `/admin/health` and the metrics. */
  async status(): Promise<Omit<RegionHealthRecord, 'region'>> {
    await this.#knowServers()
    const servers = this.#servers ?? []
    const nowMs = Date.now()
    const deployments = [...this.#region.deployments().values()].map((one) => deploymentStatus(one, nowMs))
    return { deployments, servers, waiting: this.#region.queueLength() }
  }

  override async alarm(): Promise<void> {
    this.#alarmAtMs = Number.POSITIVE_INFINITY
    const startedAtMs = Date.now()
    const due = this.#region.dueChecks(startedAtMs)
    await Promise.all(
      due.map(async ({ id, url }) => {
        const check = await activeCheck(
          url,
          (...call) => globalThis.fetch(...call),
          () => Date.now(),
        )
        this.#region.checked(id, check, startedAtMs)
      }),
    )
    await this.#planChecks()
  }

  async #planChecks(): Promise<void> {
    const nextAtMs = this.#region.nextCheckAtMs(Date.now())
    // Setting an alarm writes: only for one that is to come clearly sooner.
    if (nextAtMs === undefined || nextAtMs > this.#alarmAtMs - 200) return
    this.#alarmAtMs = nextAtMs
    await this.ctx.storage.setAlarm(nextAtMs)
  }

  /** Waits for a bounded time: nobody's request does. Open by policy: what was heard goes on while nobody answers. */
  async #knowServers(): Promise<void> {
    const nowMs = Date.now()
    if (nowMs - this.#lookedAtMs >= LOOK_FOR_SERVERS_EVERY_MS) {
      this.#lookedAtMs = nowMs
      const looking = this.#lookForServers().finally(() => {
        if (this.#looking === looking) this.#looking = undefined
      })
      this.#looking = looking
    }
    if (this.#looking === undefined) return
    await Promise.race([this.#looking, new Promise((resolve) => setTimeout(resolve, LOOK_TIMEOUT_MS))])
  }

  async #lookForServers(): Promise<void> {
    try {
      const servers = await this.env.ENDPOINTS.getByName('all').list()
      this.#servers = servers
      // The first of each deployment: the list is in that order.
      this.#endpoints = Object.fromEntries(
        servers.toReversed().map(({ deploymentId, url, draining }) => [deploymentId, { url, draining }]),
      )
    } catch (cause) {
      console.warn(JSON.stringify({ level: 'warn', event: 'endpoints_look_failed', cause: String(cause) }))
    }
  }
}
