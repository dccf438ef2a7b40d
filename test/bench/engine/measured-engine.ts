/** What bench:engine asks of a contender. Each runs alone in its own process; see engine-process.ts. */

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

export type MeasuredEngine = {
  version: string
  /** Milliseconds for the cell. What is needed before (the tokens behind) is not counted. */
  measure(cell: EngineCell): Promise<number>
}

export type EngineSettings = { ggufPath: string; modelFolder: string; threads: number }

/** The largest cells that are measured; both contenders allocate for them. */
export const BATCH_MAX = 8
export const CONTEXT = 512
export const PREFILL_TOKENS_MAX = 512
export const STEPS_MAX = 64

/** Tokens that a cell takes through the model. */
export function tokensOf(cell: EngineCell): number {
  return cell.kind === 'decode' ? cell.batch * cell.steps : cell.tokens
}

/** Some ordinary token ids, the same for both. Which ones does not matter for speed: no kernel looks at values. */
export function promptTokens(count: number): number[] {
  return Array.from({ length: count }, (_, index) => 1_000 + ((index * 7_919) % 40_000))
}
