/** What a server costs, read from Linux's /proc: CPU time and memory of a process and all its descendants. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Kernel clock ticks a second as /proc shows them; 100 on every Linux that Node runs on (USER_HZ is part of its ABI). */
const TICKS_PER_SECOND = 100

/** `pid` and all living descendants; empty when it is gone. A child belongs to the thread that made it, so every thread is asked. */
export function processTree(pid: number, proc = '/proc'): number[] {
  const threads = entries(join(proc, String(pid), 'task'))
  if (threads.length === 0) return []
  const children = threads.flatMap((thread) => {
    const listed = text(join(proc, String(pid), 'task', thread, 'children')) ?? ''
    return listed.split(' ').filter(Boolean).map(Number)
  })
  return [...new Set([pid, ...children.flatMap((child) => processTree(child, proc))])]
}

/**
 * User and system time so far, in milliseconds, of the processes and of their children that have ended and been waited for.
 * Fields 14 to 17 of proc(5)'s stat; the command's name before them may itself hold spaces and brackets.
 */
export function cpuMs(pids: readonly number[], proc = '/proc'): number {
  let ticks = 0
  for (const pid of pids) {
    const stat = text(join(proc, String(pid), 'stat'))
    if (stat === undefined) continue
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    for (let field = 14; field <= 17; field++) ticks += Number(fields[field - 3])
  }
  return (ticks * 1_000) / TICKS_PER_SECOND
}

/** Resident memory in MiB, pages that several of the processes share counted once for each. */
export function rssMib(pids: readonly number[], proc = '/proc'): number {
  let kib = 0
  for (const pid of pids) {
    const status = text(join(proc, String(pid), 'status'))
    kib += Number(/^VmRSS:\s+(\d+) kB$/m.exec(status ?? '')?.[1] ?? 0)
  }
  return kib / 1_024
}

/** A process may end between being listed and being read: that is no error. */
function text(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

function entries(path: string): string[] {
  try {
    return readdirSync(path)
  } catch {
    return []
  }
}
