/**
 * The inference servers that announce themselves: one object, `all`, for the installation, for a server reaches it through whatever
 * place is near it and is wanted in all. The Health objects of the regions ask it every few seconds while they are asked. What it
 * holds outlives it, so that a deployment of the Worker does not lose every server for the time of a heartbeat.
 */
import { DurableObject } from 'cloudflare:workers'
import type { Heartbeat, ServerLoad } from '../contract/heartbeat.ts'
import { HEARTBEAT_CLOCK_MS, HEARTBEAT_KEPT_MS } from '../contract/heartbeat-terms.ts'
import type { Env } from '../env.ts'
import type { AnnouncedServer } from '../http/ports.ts'

/** More servers than configurations have deployments, for some change their process. */
const SERVERS_MAX = 2_048
/** As long as a heartbeat of theirs could be sent once more. */
const KEPT_MS = 2 * HEARTBEAT_CLOCK_MS + HEARTBEAT_KEPT_MS

export type Announcement = { ok: true } | { ok: false; why: 'replayed' | 'too_many' }

export class Endpoints extends DurableObject<Env> {
  readonly #sql: SqlStorage

  constructor(state: DurableObjectState, env: Env) {
    super(state, env)
    this.#sql = state.storage.sql
    this.#sql.exec(`
      CREATE TABLE IF NOT EXISTS server (
        deployment_id TEXT NOT NULL, instance TEXT NOT NULL, since_ms INTEGER NOT NULL, heard_ms INTEGER NOT NULL,
        sent_ms INTEGER NOT NULL, url TEXT NOT NULL, model TEXT NOT NULL, draining INTEGER NOT NULL, load TEXT NOT NULL,
        PRIMARY KEY (deployment_id, instance)
      ) STRICT, WITHOUT ROWID;
    `)
  }

  /** `sentAtMs`: by the server's clock, as it was signed. Taken once, and never after a later one of the same instance. */
  async announce(
    { deployment, instance, url, model, draining, load }: Heartbeat,
    sentAtMs: number,
  ): Promise<Announcement> {
    const nowMs = Date.now()
    const [known] = this.#sql
      .exec<{ sent_ms: number }>(
        'SELECT sent_ms FROM server WHERE deployment_id = ? AND instance = ?',
        deployment,
        instance,
      )
      .toArray()
    if (known && sentAtMs <= known.sent_ms) return { ok: false, why: 'replayed' }
    if (!known) {
      this.#forget(nowMs)
      const { servers } = this.#sql.exec<{ servers: number }>('SELECT count(*) AS servers FROM server').one()
      if (servers >= SERVERS_MAX) return { ok: false, why: 'too_many' }
    }
    this.#sql.exec(
      `INSERT INTO server VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET heard_ms = excluded.heard_ms,
       sent_ms = excluded.sent_ms, url = excluded.url, model = excluded.model, draining = excluded.draining, load = excluded.load`,
      ...[deployment, instance, nowMs, nowMs, sentAtMs, url, model, draining ? 1 : 0, JSON.stringify(load)],
    )
    if ((await this.ctx.storage.getAlarm()) === null) await this.ctx.storage.setAlarm(nowMs + KEPT_MS)
    return { ok: true }
  }

  /** Those heard of lately. Of one deployment the first is the one that is called: it takes calls, and has been there longest. */
  list(): AnnouncedServer[] {
    const nowMs = Date.now()
    return this.#sql
      .exec<{
        deployment_id: string
        instance: string
        heard_ms: number
        url: string
        model: string
        draining: number
        load: string
      }>(
        'SELECT * FROM server WHERE heard_ms > ? ORDER BY deployment_id, draining, since_ms, instance',
        nowMs - HEARTBEAT_KEPT_MS,
      )
      .toArray()
      .map((row) => ({
        deploymentId: row.deployment_id,
        instance: row.instance,
        url: row.url,
        model: row.model,
        draining: row.draining === 1,
        // Sound: `announce` wrote it.
        load: JSON.parse(row.load) as ServerLoad,
        heardAgoMs: nowMs - row.heard_ms,
      }))
  }

  override async alarm(): Promise<void> {
    const nowMs = Date.now()
    this.#forget(nowMs)
    const { last } = this.#sql.exec<{ last: number | null }>('SELECT max(heard_ms) AS last FROM server').one()
    if (last !== null) await this.ctx.storage.setAlarm(Math.max(nowMs, last) + KEPT_MS)
  }

  #forget(nowMs: number): void {
    this.#sql.exec('DELETE FROM server WHERE heard_ms < ?', nowMs - KEPT_MS)
  }
}
