/** From samples to the printed table, the figures that are kept and the ratios that are promised. */
import { median, medianRatio, relativeSpread, round } from '../measure/statistics.ts'
import { table } from '../measure/table.ts'
import { type Cell, CONTEXT, does, type EngineName, keyOf, titleOf } from './measured-engine.ts'

/** `strangers`: the share of the cores that other programs used meanwhile. */
export type EngineSample = { tokensPerSecond: number; cpuMsPerToken: number; strangers: number }
/** By engine and cell, one sample an alternation. */
export type EngineSamples = Map<EngineName, Map<string, EngineSample[]>>

type Field = keyof EngineSample

function valuesOf(samples: EngineSamples, name: EngineName, cell: Cell, field: Field): number[] {
  return (samples.get(name)?.get(keyOf(cell)) ?? []).map((sample) => sample[field])
}

/** Ours over theirs, alternation by alternation. */
const ratioTo = (samples: EngineSamples, name: EngineName, cell: Cell) =>
  medianRatio(valuesOf(samples, 'perigee', cell, 'tokensPerSecond'), valuesOf(samples, name, cell, 'tokensPerSecond'))

export function engineTable(names: readonly EngineName[], cells: readonly Cell[], samples: EngineSamples) {
  const head = ['tokens/s; CPU ms per token', ...names.flatMap((name) => [name, '+-%', 'CPU'])]
  const others = names.includes('perigee') ? names.filter((name) => name !== 'perigee') : []
  const rows = cells.map((cell) => [
    titleOf(cell),
    ...names.flatMap((name) => {
      if (!does(name, cell)) return ['', '', '']
      const speeds = valuesOf(samples, name, cell, 'tokensPerSecond')
      const cpu = median(valuesOf(samples, name, cell, 'cpuMsPerToken'))
      return [String(round(median(speeds))), String(Math.round(relativeSpread(speeds) * 100)), String(round(cpu))]
    }),
    ...others.map((name) => (does(name, cell) ? ratioTo(samples, name, cell).toFixed(2) : '')),
  ])
  return table([...head, ...others.map((name) => `/${name}`)], rows)
}

/** figures[engine][cell]: medians. */
export function engineFigures(names: readonly EngineName[], cells: readonly Cell[], samples: EngineSamples) {
  const of = (name: EngineName, cell: Cell) => ({
    tokensPerSecond: round(median(valuesOf(samples, name, cell, 'tokensPerSecond'))),
    cpuMsPerToken: round(median(valuesOf(samples, name, cell, 'cpuMsPerToken'))),
  })
  return Object.fromEntries(
    names.map((name) => [
      name,
      Object.fromEntries(cells.filter((cell) => does(name, cell)).map((cell) => [keyOf(cell), of(name, cell)])),
    ]),
  )
}

/**
 * `decode_bN_vs_llamacpp`, `prefill_N_vs_llamacpp`: ours over llama.cpp's on the same Q4_1 file, with CONTEXT tokens behind;
 * `decode_b1_vs_transformersjs`: a lone stream with nothing behind it, where transformers.js is at its best; `http_cN_vs_llamacpp`: the same over HTTP with N streams, prompts included. `min_vs_best_format`: the smallest ratio of any cell of
 * the engines, to the better of llama.cpp's two formats there. A seeded lone stream is left out: llama.cpp has nothing like it.
 */
export function engineRatios(cells: readonly Cell[], samples: EngineSamples): Record<string, number> {
  const ratios: Record<string, number> = {}
  let least = Number.POSITIVE_INFINITY
  for (const cell of cells) {
    if (cell.kind === 'http') {
      ratios[`${keyOf(cell)}_vs_llamacpp`] = round(ratioTo(samples, 'llamaQ41', cell))
      continue
    }
    const best = Math.min(ratioTo(samples, 'llamaQ41', cell), ratioTo(samples, 'llamaQ40', cell))
    if (cell.kind === 'decode' && cell.sameness) continue
    least = Math.min(least, best)
    if (cell.kind === 'decode' && cell.batch === 1 && cell.context === 0) {
      ratios.decode_b1_vs_transformersjs = round(ratioTo(samples, 'transformersjs', cell))
    }
    if (cell.context !== CONTEXT) continue
    const key = cell.kind === 'decode' ? `decode_b${cell.batch}` : `prefill_${cell.tokens}`
    ratios[`${key}_vs_llamacpp`] = round(ratioTo(samples, 'llamaQ41', cell))
  }
  return { ...ratios, min_vs_best_format: round(least) }
}

/** Median over everything measured. */
export function strangersShare(samples: EngineSamples): number {
  return median([...samples.values()].flatMap((cells) => [...cells.values()].flat().map(({ strangers }) => strangers)))
}
