/** How a server tells of its GPUs: what nvidia-smi prints, and machines without it. */
import { expect, test } from 'vitest'
import { gpuLoad, parseGpuLoad } from '../../../functions/inference/announce/gpu-load.ts'
import { watchMachine } from '../../../functions/inference/announce/machine-load.ts'

test('each line is a GPU: percent and MiB become a share and bytes', () => {
  expect(parseGpuLoad('37, 1024, 81559\n0, 0, 81559\n')).toEqual([
    { utilization: 0.37, memory_used_bytes: 1_073_741_824, memory_total_bytes: 85_520_809_984 },
    { utilization: 0, memory_used_bytes: 0, memory_total_bytes: 85_520_809_984 },
  ])
})

test('what cannot be told leaves that GPU out, and nothing breaks', () => {
  expect(parseGpuLoad('[N/A], 10, 20\n\nNo devices were found\n,,\n')).toEqual([])
})

test('a machine without the tool is asked once', async () => {
  let asked = 0
  const machine = watchMachine(async () => {
    asked += 1
    return undefined
  })
  await machine.look()
  const { gpus, cpu, memory_used_bytes, memory_total_bytes } = await machine.look()
  expect([gpus, asked]).toEqual([[], 1])
  expect(cpu).toBeGreaterThanOrEqual(0)
  expect(cpu).toBeLessThanOrEqual(1)
  expect(memory_used_bytes).toBeGreaterThan(0)
  expect(memory_used_bytes).toBeLessThan(memory_total_bytes)
})

test('a tool that is not there, and one that fails, are told apart', async () => {
  expect(await gpuLoad('/nowhere/nvidia-smi')).toBeUndefined()
  expect(await gpuLoad('false')).toEqual([])
})
