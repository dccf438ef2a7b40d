import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { allowedCores, coreTime, parseCpuList, pickCores } from '../../bench/measure/cores.ts'
import { cpuMs, processTree, rssMib } from '../../bench/measure/process-tree.ts'

let proc: string
beforeEach(() => {
  proc = mkdtempSync(join(tmpdir(), 'proc-'))
})
afterEach(() => rmSync(proc, { recursive: true }))

/** `threads`: the children of each thread. Times in clock ticks: user, system, and the same of children that have ended. */
function addProcess(
  pid: number,
  options: { threads: number[][]; ticks: [number, number, number, number]; name?: string },
) {
  for (const [index, children] of options.threads.entries()) {
    const task = join(proc, String(pid), 'task', String(pid + index))
    mkdirSync(task, { recursive: true })
    writeFileSync(join(task, 'children'), children.map((child) => `${child} `).join(''))
  }
  const before = Array(10).fill('0').join(' ')
  const stat = `${pid} (${options.name ?? 'server'}) S ${before} ${options.ticks.join(' ')} 20 0 8 0\n`
  writeFileSync(join(proc, String(pid), 'stat'), stat)
  writeFileSync(join(proc, String(pid), 'status'), `Name:\tserver\nVmHWM:\t  999999 kB\nVmRSS:\t    2048 kB\n`)
}

test('the tree of a server holds the children of every thread and their children', () => {
  addProcess(10, { threads: [[20], [30, 40]], ticks: [0, 0, 0, 0] })
  addProcess(20, { threads: [[]], ticks: [0, 0, 0, 0] })
  addProcess(30, { threads: [[50]], ticks: [0, 0, 0, 0] })
  addProcess(50, { threads: [[]], ticks: [0, 0, 0, 0] })
  // 40 has ended since it was listed.
  expect(processTree(10, proc).sort()).toEqual([10, 20, 30, 50])
  expect(processTree(99, proc)).toEqual([])
})

test('CPU time is user and system time of all processes and of their ended children, whatever the command is called', () => {
  addProcess(10, { threads: [[]], ticks: [7, 5, 2, 1], name: 'work (er) S 1' })
  addProcess(20, { threads: [[]], ticks: [100, 0, 0, 0] })
  expect(cpuMs([10, 20, 99], proc)).toBe(1_150)
})

test('memory is what is resident now, summed over the tree', () => {
  addProcess(10, { threads: [[]], ticks: [0, 0, 0, 0] })
  addProcess(20, { threads: [[]], ticks: [0, 0, 0, 0] })
  expect(rssMib([10, 20, 99], proc)).toBe(4)
})

test('server and load get two different cores out of those that are allowed', () => {
  expect(parseCpuList('0-2,5\n')).toEqual([0, 1, 2, 5])
  expect(allowedCores('Name:\tnode\nCpus_allowed_list:\t2-3\n')).toEqual([2, 3])
  expect(pickCores([0, 1])).toEqual({ server: 1, load: 0 })
  expect(pickCores([5, 2, 9])).toEqual({ server: 9, load: 5 })
  expect(pickCores([3])).toBeUndefined()
})

test("a core is busy with everything but idling and waiting for disks, and interrupts are nobody's program", () => {
  const stat = 'cpu  1 1 1 1 1 1 1 1 0 0\ncpu0 0 0 0 0 0 0 0 0 0 0\ncpu1 10 1 20 5000 300 2 3 4 7 0\n'
  expect(coreTime(1, stat)).toEqual({ busy: 400, programs: 350 })
  expect(() => coreTime(7, stat)).toThrow('no cpu7')
})
