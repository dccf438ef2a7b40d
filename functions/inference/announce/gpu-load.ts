/** How much of the GPUs is taken, by NVIDIA's own tool. A machine without it has none that we know of. */
import { execFile } from 'node:child_process'

export type GpuLoad = { utilization: number; memory_used_bytes: number; memory_total_bytes: number }

const QUERY = ['--query-gpu=utilization.gpu,memory.used,memory.total', '--format=csv,noheader,nounits']
const TIMEOUT_MS = 2_000
const MIB = 1_048_576

/** Undefined: there is no such tool, and it need not be asked again. */
export function gpuLoad(command = 'nvidia-smi'): Promise<GpuLoad[] | undefined> {
  return new Promise((resolve) => {
    execFile(command, QUERY, { timeout: TIMEOUT_MS }, (error, stdout) => {
      if (error) return resolve('code' in error && error.code === 'ENOENT' ? undefined : [])
      resolve(parseGpuLoad(stdout))
    })
  })
}

/** A line for each GPU: percent, MiB, MiB. What it cannot tell (`[N/A]`) leaves that GPU out. */
export function parseGpuLoad(text: string): GpuLoad[] {
  return text.split('\n').flatMap((line) => {
    const [percent, used, total] = line.split(',').map((part) => (part.trim() === '' ? Number.NaN : Number(part)))
    if (percent === undefined || used === undefined || total === undefined) return []
    if (![percent, used, total].every((value) => Number.isFinite(value) && value >= 0)) return []
    return [
      {
        utilization: Math.min(1, percent / 100),
        memory_used_bytes: Math.round(used * MIB),
        memory_total_bytes: Math.round(total * MIB),
      },
    ]
  })
}
