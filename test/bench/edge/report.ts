/** From samples to the printed table and the figures that are kept. */
import { median, medianRatio, relativeSpread, round } from '../measure/statistics.ts'
import { table } from '../measure/table.ts'
import type { Sample } from './load.ts'
import type { Cell } from './scenario.ts'

type Named = { name: string; title: string }
type Samples = ReadonlyMap<string, readonly Sample[]>

/** The contender that the ratios are of. */
const OURS = 'perigee'

function of(samples: Samples, contender: Named, { scenario, connections }: Cell, field: keyof Sample): number[] {
  return (samples.get(`${contender.name} ${scenario.name} ${connections}`) ?? []).map((sample) => sample[field])
}

export function edgeTable(contenders: readonly Named[], cells: readonly Cell[], samples: Samples): string {
  const head = ['', 'c', 'req/s', '+-%', 'p50 ms', 'p99 ms', 'CPU ms/req', 'RSS MiB', 'load core %', 'strangers %']
  const rows = cells.flatMap((cell, index) => [
    ...(cell.scenario === cells[index - 1]?.scenario ? [] : [[cell.scenario.title]]),
    ...contenders.map((contender) => {
      const get = (field: keyof Sample) => median(of(samples, contender, cell, field))
      const percent = (share: number) => String(Math.round(share * 100))
      return [
        `  ${contender.title}`,
        String(cell.connections),
        String(round(get('requestsPerSecond'))),
        percent(relativeSpread(of(samples, contender, cell, 'requestsPerSecond'))),
        String(round(get('p50Ms'))),
        String(round(get('p99Ms'))),
        String(round(get('cpuMsPerRequest'))),
        String(Math.round(get('rssMib'))),
        percent(get('loadCoreBusy')),
        percent(get('strangersOnServerCore')),
      ]
    }),
  ])
  return table(head, rows)
}

/** figures[contender][scenario][cN] and ratios[`perigee/other`][scenario][cN]: medians, and medians of the alternations' ratios. */
export function edgeFigures(
  contenders: readonly Named[],
  cells: readonly Cell[],
  samples: Samples,
  jsonCpu: readonly number[],
) {
  const figures: Nested = {}
  const ratios: Nested = {}
  const ours = contenders.find(({ name }) => name === OURS)
  for (const contender of contenders) {
    for (const cell of cells) {
      const path = [cell.scenario.name, `c${cell.connections}`]
      const get = (field: keyof Sample) => round(median(of(samples, contender, cell, field)))
      put(figures, [contender.name, ...path], {
        requestsPerSecond: get('requestsPerSecond'),
        p50Ms: get('p50Ms'),
        p99Ms: get('p99Ms'),
        cpuMsPerRequest: get('cpuMsPerRequest'),
        rssMib: get('rssMib'),
        loadCoreBusy: get('loadCoreBusy'),
        strangersOnServerCore: get('strangersOnServerCore'),
      })
      if (!ours || contender === ours) continue
      const ratio = (field: keyof Sample) =>
        round(medianRatio(of(samples, ours, cell, field), of(samples, contender, cell, field)))
      put(ratios, [`${OURS}/${contender.name}`, ...path], {
        requestsPerSecond: ratio('requestsPerSecond'),
        p50Ms: ratio('p50Ms'),
        cpuMsPerRequest: ratio('cpuMsPerRequest'),
      })
    }
  }
  if (jsonCpu.length > 0) put(figures, ['json', 'large'], { cpuMs: round(median(jsonCpu)) })
  return { figures, ratios: { ...ratios, ...asked(ratios), ...largeVsJson(samples, jsonCpu) } }
}

/** CPU time of a request with the large body over that of parsing and writing it once. */
function largeVsJson(samples: Samples, jsonCpu: readonly number[]): Record<string, number> {
  const ours = (samples.get(`${OURS} large 16`) ?? []).map(({ cpuMsPerRequest }) => cpuMsPerRequest)
  return ours.length > 0 && jsonCpu.length > 0 ? { large_vs_json: round(medianRatio(ours, jsonCpu)) } : {}
}

/** The ratios by which the edge is judged, by name: ours to the other's, in requests per second unless it says CPU. */
function asked(ratios: Nested): Record<string, number> {
  const rows: [name: string, other: string, scenario: string, cell: string, field: string][] = [
    ['pipeline_vs_bare_c16', 'passthrough', 'miss', 'c16', 'requestsPerSecond'],
    ['pipeline_vs_bare_c64', 'passthrough', 'miss', 'c64', 'requestsPerSecond'],
    ['cpu_vs_bare_json', 'passthrough', 'miss', 'c16', 'cpuMsPerRequest'],
    ['cpu_of_request_log_json', 'unlogged', 'miss', 'c16', 'cpuMsPerRequest'],
    ['cpu_of_request_log_hit', 'unlogged', 'hit', 'c16', 'cpuMsPerRequest'],
    ['cpu_of_request_log_stream', 'unlogged', 'stream', 'c16', 'cpuMsPerRequest'],
    ['pipeline_vs_portkey_c16', 'portkey', 'miss', 'c16', 'requestsPerSecond'],
    ['pipeline_vs_portkey_c64', 'portkey', 'miss', 'c64', 'requestsPerSecond'],
    ['sse_vs_bare_c16', 'passthrough', 'long', 'c16', 'requestsPerSecond'],
    ['hit_vs_bare_c16', 'passthrough', 'hit', 'c16', 'requestsPerSecond'],
  ]
  return Object.fromEntries(
    rows.flatMap(([name, other, ...path]) => {
      const value = [`${OURS}/${other}`, ...path].reduce<Nested | number | undefined>(
        (at, key) => (typeof at === 'object' ? at[key] : undefined),
        ratios,
      )
      return typeof value === 'number' ? [[name, value]] : []
    }),
  )
}

/** Median over everything measured: the share of the server's core that other programs took. */
export function strangersShare(samples: Samples): number {
  return median([...samples.values()].flat().map((sample) => sample.strangersOnServerCore))
}

type Nested = { [key: string]: Nested | number }

function put(into: Nested, path: readonly string[], value: Nested): void {
  const [key = '', ...rest] = path
  if (rest.length === 0) {
    into[key] = value
    return
  }
  const existing = into[key]
  const next = typeof existing === 'object' ? existing : {}
  into[key] = next
  put(next, rest, value)
}
