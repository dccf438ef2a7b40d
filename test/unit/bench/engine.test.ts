import { expect, test } from 'vitest'
import { type EngineName, engineCells, HTTP_CELL, keyOf } from '../../bench/engine/measured-engine.ts'
import { type EngineSamples, engineFigures, engineRatios, strangersShare } from '../../bench/engine/report.ts'
import { parseBenchOptions } from '../../bench/measure/options.ts'

const cells = [...engineCells(false), HTTP_CELL]
const NAMES: EngineName[] = ['perigee', 'llamaQ41', 'llamaQ40', 'transformersjs']

/** Three alternations, in which the machine gets slower: 1, 1/2, 1/4 of the speed given. */
function samplesOf(speed: (name: EngineName, key: string) => number): EngineSamples {
  return new Map(
    NAMES.map((name) => [
      name,
      new Map(
        cells.map((cell) => [
          keyOf(cell),
          [1, 2, 4].map((slowness) => ({
            tokensPerSecond: speed(name, keyOf(cell)) / slowness,
            cpuMsPerToken: slowness,
            strangers: slowness / 100,
          })),
        ]),
      ),
    ]),
  )
}

test('the promised ratios are those behind 512 tokens, and the smallest is to the better format of any cell', () => {
  const speeds: Record<EngineName, number> = { perigee: 200, llamaQ41: 100, llamaQ40: 125, transformersjs: 50 }
  const ratios = engineRatios(
    cells,
    samplesOf((name, key) => (name === 'llamaQ40' && key === 'prefill_128_ctx0' ? 160 : speeds[name])),
  )
  expect(ratios).toEqual({
    decode_b1_vs_llamacpp: 2,
    decode_b4_vs_llamacpp: 2,
    decode_b8_vs_llamacpp: 2,
    decode_b16_vs_llamacpp: 2,
    prefill_128_vs_llamacpp: 2,
    prefill_512_vs_llamacpp: 2,
    http_c8_vs_llamacpp: 2,
    decode_b1_vs_transformersjs: 4,
    min_vs_best_format: 1.25,
  })
})

test('a seeded lone stream does not count as the smallest ratio, but is a figure', () => {
  const samples = samplesOf((name, key) => (name === 'perigee' && key.includes('seeded') ? 1 : 100))
  expect(engineRatios(cells, samples).min_vs_best_format).toBe(1)
  expect(engineFigures(NAMES, cells, samples).perigee).toMatchObject({
    decode_b1_seeded_ctx0: { tokensPerSecond: 0.5, cpuMsPerToken: 2 },
  })
  expect(strangersShare(samples)).toBe(0.02)
})

test('figures that rest on few alternations are not saved', () => {
  expect(() => parseBenchOptions(['--save', '--alternations', '6'], [])).toThrow('7 alternations or more')
  expect(parseBenchOptions(['--save', '--alternations', '7'], [])).toMatchObject({ save: true, alternations: 7 })
})
