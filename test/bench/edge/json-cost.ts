/** CPU time of JSON.parse plus JSON.stringify of a body in workerd: so often in one request that neither it nor reading counts. */
import { join } from 'node:path'
import { cpuMs } from '../measure/process-tree.ts'
import { COMPATIBILITY_DATE, type Place, startWorkerd } from './contenders.ts'

/** Some hundred milliseconds of a body of 400 kB; CPU time is read in steps of 10. */
const TIMES = 500

/** Milliseconds of one time. */
export async function jsonCpuMs(place: Place, body: string): Promise<number> {
  const server = await startWorkerd(place, join(import.meta.dirname, 'json.js'), {
    compatibilityDate: COMPATIBILITY_DATE,
    compatibilityFlags: [],
    vars: {},
    durableObjects: {},
  })
  const timed = async (times: number): Promise<number> => {
    const before = cpuMs([server.pid])
    const response = await fetch(server.url, { method: 'POST', headers: { 'x-times': String(times) }, body })
    const chars = await response.json()
    // ASCII, written by JSON.stringify: as long as it was.
    if (chars !== times * body.length) throw new Error(`JSON was not written as it was read: ${chars} characters.`)
    return cpuMs([server.pid]) - before
  }
  try {
    // The first also warms it up; what is taken off is one reading of the body.
    await timed(TIMES / 10)
    const reading = await timed(0)
    return ((await timed(TIMES)) - reading) / TIMES
  } finally {
    await server.stop()
  }
}
