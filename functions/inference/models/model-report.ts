/** How fast a model runs on this machine, and what it takes: the arithmetic and the words of `npm run models -- report`. */

/** One inference: the prompts of a batch are read, and answers generated behind all of them together. */
export type Inference = { prefillMs: number; decodeMs: number }

export type ReportRule = { runs: number; batch: number; promptTokens: number; answerTokens: number; threads: number }

export type ModelReport = ReportRule & {
  model: string
  machine: { cpu: string; cores: number }
  /** YYYY-MM-DD. */
  date: string
  inferences: number
  tokens: { prompt: number; answer: number }
  /** Of whole inferences, in milliseconds. */
  inferenceMs: { average: number; minimum: number; maximum: number }
  /** Tokens per second over all inferences. */
  promptTokensPerSecond: number
  answerTokensPerSecond: number
  /** MiB. Of the process before the model is loaded, and with it at the end. */
  memoryMib: { weights: number; residentBefore: number; resident: number }
}

export function reportOf(
  inferences: readonly Inference[],
  about: ReportRule & Pick<ModelReport, 'model' | 'machine' | 'date' | 'memoryMib'>,
): ModelReport {
  const times = inferences.map(({ prefillMs, decodeMs }) => prefillMs + decodeMs)
  const sum = (values: number[]) => values.reduce((total, value) => total + value, 0)
  const answers = inferences.length * about.batch
  const tokens = { prompt: answers * about.promptTokens, answer: answers * about.answerTokens }
  const perSecond = (count: number, milliseconds: number) => tenths((count / milliseconds) * 1_000)
  return {
    ...about,
    inferences: inferences.length,
    tokens,
    inferenceMs: {
      average: tenths(sum(times) / times.length),
      minimum: tenths(Math.min(...times)),
      maximum: tenths(Math.max(...times)),
    },
    promptTokensPerSecond: perSecond(tokens.prompt, sum(inferences.map(({ prefillMs }) => prefillMs))),
    answerTokensPerSecond: perSecond(tokens.answer, sum(inferences.map(({ decodeMs }) => decodeMs))),
  }
}

export function reportText(report: ModelReport): string {
  const { inferenceMs, memoryMib, tokens, machine } = report
  const rows: [string, string][] = [
    ['model', report.model],
    ['machine', `${machine.cpu}, ${machine.cores} cores, ${report.threads} threads, ${report.date}`],
    [
      'inferences',
      `${report.inferences}, each ${report.batch === 1 ? '' : `${report.batch} times `}${report.promptTokens} tokens read and ${report.answerTokens} generated`,
    ],
    [
      'time of one',
      `average ${inferenceMs.average} ms, minimum ${inferenceMs.minimum} ms, maximum ${inferenceMs.maximum} ms`,
    ],
    ['prompt', `${report.promptTokensPerSecond} tokens/s (${tokens.prompt} in all)`],
    ['answer', `${report.answerTokensPerSecond} tokens/s (${tokens.answer} in all)`],
    [
      'memory',
      `weights ${memoryMib.weights} MiB, resident ${memoryMib.residentBefore} MiB before, ${memoryMib.resident} MiB with the model`,
    ],
  ]
  const width = Math.max(...rows.map(([name]) => name.length))
  return rows.map(([name, value]) => `${name.padEnd(width)}  ${value}`).join('\n')
}

const tenths = (value: number) => Math.round(value * 10) / 10
