/** What bench:engine asks of a contender. Each runs alone in its own process; see engine-process.ts. */

/** The program is the file PROGRAM-engine.ts. llama.cpp stands twice, once with each file; transformers.js runs one stream only. */
export const ENGINES = {
  perigee: { program: 'perigee', weights: 'q41', batches: true },
  llamaQ41: { program: 'llama', weights: 'q41', batches: true },
  llamaQ40: { program: 'llama', weights: 'q40', batches: true },
  transformersjs: { program: 'transformersjs', weights: 'q41', batches: false },
} as const
export type EngineName = keyof typeof ENGINES
export type EngineProgram = (typeof ENGINES)[EngineName]['program']

/** Whether a contender can do it at all. */
export function does(name: EngineName, cell: Cell): boolean {
  return ENGINES[name].batches || (cell.kind === 'decode' && cell.batch === 1 && !cell.sameness)
}

export type EngineCell =
  /** `batch` streams advance together, greedily, each with `context` tokens behind it. */
  | {
      kind: 'decode'
      batch: number
      context: number
      steps: number
      /** For an answer that must be the same alone and in a batch, our engine adds a row when a stream is alone. Others ignore it. */
      sameness?: boolean
    }
  /** One stream takes `tokens` more tokens of prompt behind `context`, until the logits of the last are there. */
  | { kind: 'prefill'; tokens: number; context: number }

/** Both as servers: so many streams at once, from the request to the last token of all. */
export type HttpCell = { kind: 'http'; streams: number; tokens: number }
export type Cell = EngineCell | HttpCell

export type MeasuredEngine = {
  version: string
  /** Milliseconds for the cell. What is needed before (the tokens behind) is not counted. */
  measure(cell: EngineCell): Promise<number>
}

export type EngineSettings = { ggufPath: string; modelFolder: string; threads: number }

/** The largest cells that are measured; all contenders allocate for them. */
export const BATCH_MAX = 16
export const CONTEXT = 512
export const PREFILL_TOKENS_MAX = 512
const STEPS_MAX = 64

/** Of every stream. */
export const HTTP_TOKENS = 64
export const HTTP_PROMPT_TOKENS = 64
export const HTTP_STREAMS = 8
export const HTTP_CONTEXT = 512
export const HTTP_CELL: HttpCell = { kind: 'http', streams: HTTP_STREAMS, tokens: HTTP_TOKENS }

/** Fewer steps for more streams: every cell takes a second or two. */
const DECODE: readonly { batch: number; steps: number; sameness?: boolean }[] = [
  { batch: 1, steps: STEPS_MAX },
  { batch: 1, steps: STEPS_MAX, sameness: true },
  { batch: 4, steps: 32 },
  { batch: 8, steps: 24 },
  { batch: BATCH_MAX, steps: 16 },
]
/** Of a smoke run and of the warm-up, which is not counted. */
const STEPS_QUICK = 4

export function engineCells(quick: boolean): EngineCell[] {
  return [0, CONTEXT].flatMap((context): EngineCell[] => [
    ...DECODE.map((run) => ({ kind: 'decode' as const, ...run, context, steps: quick ? STEPS_QUICK : run.steps })),
    { kind: 'prefill', tokens: 128, context },
    { kind: 'prefill', tokens: 512, context },
  ])
}

/** Tokens that a cell takes through the model. */
export function tokensOf(cell: Cell): number {
  if (cell.kind === 'http') return cell.streams * cell.tokens
  return cell.kind === 'decode' ? cell.batch * cell.steps : cell.tokens
}

export function titleOf(cell: Cell): string {
  if (cell.kind === 'http') return `over HTTP, ${cell.streams} streams`
  if (cell.kind === 'prefill') return `prefill of ${cell.tokens}, context ${cell.context}`
  return `decode, batch ${cell.batch}${cell.sameness ? ' (seeded)' : ''}, context ${cell.context}`
}

/** The same as a name in JSON. */
export function keyOf(cell: Cell): string {
  if (cell.kind === 'http') return `http_c${cell.streams}`
  if (cell.kind === 'prefill') return `prefill_${cell.tokens}_ctx${cell.context}`
  return `decode_b${cell.batch}${cell.sameness ? '_seeded' : ''}_ctx${cell.context}`
}

/** Some ordinary token ids, the same for all. Which ones does not matter for speed: no kernel looks at values. */
export function promptTokens(count: number): number[] {
  return Array.from({ length: count }, (_, index) => 1_000 + ((index * 7_919) % 40_000))
}
