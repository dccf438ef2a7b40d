/** What a server holds of the machine, and whether it holds more than before. */
import { until } from '../../support/until.ts'
import { metric } from '../http/real-server.ts'
import type { ServerProcess } from './server-process.ts'

export type Holdings = {
  serverMib: number
  engineMib: number
  /** Open files, sockets among them. */
  files: number
  engineRestarts: number
}

/** What a garbage collector and an allocator may keep back; a leak of 1 kB a request shows in 20,000 requests. */
const MEMORY_SLACK_MIB = 48
const MEMORY_SLACK_SHARE = 0.15
/** Connections that clients keep for a moment. */
const FILES_SLACK = 8

export function heldBy(server: ServerProcess, engineRestarts = 0): Holdings {
  const { serverMib, engineMib, files } = server.holds()
  return { serverMib: Math.round(serverMib), engineMib: Math.round(engineMib), files, engineRestarts }
}

/** One sentence for each thing of which there is more than chance explains. */
export function heldMore(before: Holdings, after: Holdings): string[] {
  const grown = (one: number, other: number) => other > one * (1 + MEMORY_SLACK_SHARE) + MEMORY_SLACK_MIB
  return [
    ...(grown(before.serverMib, after.serverMib)
      ? [`the server's memory grew from ${before.serverMib} to ${after.serverMib} MiB`]
      : []),
    ...(grown(before.engineMib, after.engineMib)
      ? [`the engine's memory grew from ${before.engineMib} to ${after.engineMib} MiB`]
      : []),
    ...(after.files > before.files + FILES_SLACK ? [`open files grew from ${before.files} to ${after.files}`] : []),
  ]
}

/** Resolves when no request runs or waits; rejects when a slot is not given back within half a minute. */
export async function untilIdle({ url }: ServerProcess): Promise<void> {
  const gauges = ['in_flight', 'waiting', 'prefilling', 'decoding'].map((name) => `perigee_inference_${name}`)
  await until(
    'every slot is free',
    async () => (await Promise.all(gauges.map((name) => metric(url, name)))).every((value) => value === 0),
    30_000,
  )
}

/** From the server's own counter. */
export const engineRestarts = ({ url }: ServerProcess): Promise<number> =>
  metric(url, 'perigee_inference_engine_restarts')
