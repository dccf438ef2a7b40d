/** Which machine a figure belongs to: what decides speed, and nothing that names the machine. */
import { cpus, totalmem } from 'node:os'

export type Machine = { cpu: string; cores: number; memoryGib: number; os: string; node: string }

export function thisMachine(): Machine {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    // All of it, also where this process keeps to one core.
    cores: cpus().length,
    memoryGib: Math.round(totalmem() / 2 ** 30),
    os: `${process.platform} ${process.arch}`,
    node: process.version,
  }
}
