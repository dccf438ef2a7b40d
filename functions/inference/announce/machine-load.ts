/** How much of the machine (or its container) is taken: processors since the last look, memory and GPUs now. */
import { cpus, totalmem } from 'node:os'
import { type GpuLoad, gpuLoad } from './gpu-load.ts'

export type MachineLoad = {
  /** Share of all cores, by everybody on them. */
  cpu: number
  memory_used_bytes: number
  memory_total_bytes: number
  gpus: GpuLoad[]
}

export type MachineWatch = {
  /** Of the last look; zeros before the first. */
  last(): MachineLoad
  look(): Promise<MachineLoad>
}

export function watchMachine(askGpus: () => Promise<GpuLoad[] | undefined> = gpuLoad): MachineWatch {
  let times = cpuTimes()
  let hasGpus = true
  let last: MachineLoad = { cpu: 0, ...memory(), gpus: [] }
  return {
    last: () => last,
    async look() {
      const gpus = hasGpus ? await askGpus() : undefined
      if (gpus === undefined) hasGpus = false
      const now = cpuTimes()
      const [busy, all] = [now.busy - times.busy, now.all - times.all]
      times = now
      const cpu = all > 0 ? Math.min(1, Math.max(0, busy / all)) : last.cpu
      last = { cpu, ...memory(), gpus: gpus ?? [] }
      return last
    },
  }
}

/** Milliseconds of all cores since the machine began. */
function cpuTimes(): { busy: number; all: number } {
  return cpus().reduce(
    (sum, { times: { idle, user, nice, sys, irq } }) => {
      const busy = user + nice + sys + irq
      return { busy: sum.busy + busy, all: sum.all + busy + idle }
    },
    { busy: 0, all: 0 },
  )
}

function memory(): Pick<MachineLoad, 'memory_used_bytes' | 'memory_total_bytes'> {
  // Without a limit the platform says 0 or an absurd number.
  const limit = process.constrainedMemory()
  const total = limit > 0 && limit < totalmem() ? limit : totalmem()
  return { memory_total_bytes: total, memory_used_bytes: Math.max(0, total - process.availableMemory()) }
}
