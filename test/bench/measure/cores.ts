/** One core for the server, another for everything that loads it: on a shared core each would measure the other. */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

export type Cores = { server: number; load: number }

/** The two highest cores that this process may use; the lowest is where most machines handle their interrupts. */
export function pickCores(allowed: readonly number[]): Cores | undefined {
  const [load, server] = [...allowed].sort((a, b) => a - b).slice(-2)
  return load === undefined || server === undefined ? undefined : { server, load }
}

/** The kernel's list format, `0-2,5`. */
export function parseCpuList(list: string): number[] {
  return list
    .trim()
    .split(',')
    .flatMap((range) => {
      const [first = Number.NaN, last = first] = range.split('-').map(Number)
      return Array.from({ length: last - first + 1 }, (_, index) => first + index)
    })
}

/** Cores that this process may run on. */
export function allowedCores(status = readFileSync('/proc/self/status', 'utf8')): number[] {
  const list = /^Cpus_allowed_list:\s+(\S+)$/m.exec(status)?.[1]
  return list === undefined ? [] : parseCpuList(list)
}

/** Moves this process and all its threads, and so its future children, to one core. */
export function stayOn(core: number): void {
  execFileSync('taskset', ['--all-tasks', '--cpu-list', '--pid', String(core), String(process.pid)], {
    stdio: 'ignore',
  })
}

/** Milliseconds since boot, of everyone. `programs` leaves out interrupts, in which the kernel also moves a server's own packets. */
export type CoreTime = { busy: number; programs: number }

/** The line `cpuN` of proc(5)'s stat, in units of 10 ms. Time stolen by other virtual machines counts as somebody's programs. */
export function coreTime(core: number, stat = readFileSync('/proc/stat', 'utf8')): CoreTime {
  const fields = new RegExp(`^cpu${core} (.*)$`, 'm').exec(stat)?.[1]?.split(' ').map(Number)
  if (!fields) throw new Error(`/proc/stat has no cpu${core}.`)
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = fields
  const programs = (user + nice + system + steal) * 10
  return { busy: programs + (irq + softirq) * 10, programs }
}
