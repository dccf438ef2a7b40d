/**
 * `npm run bench:prompt-beside-streams`: how long four running streams wait for their next token while a prompt of 1,000 tokens is read,
 * and how much slower the prompt is read than alone. docs/performance.md says how to read it.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { CHUNK_TOKENS_DEFAULT } from '../../functions/inference/engine/chunk-length.ts'
import { type Engine, startEngine } from '../../functions/inference/engine/engine-client.ts'
import { readModelConfig } from '../../functions/inference/engine/model-folder.ts'
import { SPIN_US_DEFAULT } from '../../functions/inference/engine/spin.ts'
import { loadTokenizer } from '../../functions/inference/text/tokenizer.ts'
import { modelFiles } from './engine/model-files.ts'
import { runBench } from './measure/options.ts'
import { conclude } from './measure/outcome.ts'
import { progress, progressDone } from './measure/progress.ts'
import { median, round } from './measure/statistics.ts'
import { table } from './measure/table.ts'

const STREAMS = 4
const PROMPT_TOKENS = 1_000
const CHUNK_MS = 100
/** Longer than the prompt takes; the streams are cancelled then. */
const STREAM_TOKENS = 400
/** So far are the streams when the prompt comes. */
const TOKENS_BEFORE = 12

await runBench('bench:prompt-beside-streams', ['perigee'], async (options) => {
  const { modelFolder: folder, name: model } = await modelFiles()
  const { vocabSize } = readModelConfig(folder)
  const stepMs: number[] = []
  let isStreaming = false
  const engine = startEngine({
    ...{ folder, slots: STREAMS + 1, context: 2_048, threads: 2, spinUs: SPIN_US_DEFAULT, batchInvariant: 'seeded' },
    ...{ chunkTokens: CHUNK_TOKENS_DEFAULT, chunkMs: CHUNK_MS, prefixCacheBytes: 0 },
    onStep({ kind, amount, milliseconds }) {
      if (isStreaming && kind === 'decode' && amount === STREAMS) stepMs.push(milliseconds)
    },
  })
  try {
    await engine.ready
    const tokenizer = await loadTokenizer(folder)
    const text = tokenizer.encode(
      readFileSync(join(import.meta.dirname, '../../functions/inference/models/english.txt'), 'utf8'),
      {
        specialTokens: false,
      },
    )
    // Streams go on with text, so that none of them ends early; for a prompt that is only read any ids do.
    const streamPrompts = Array.from({ length: STREAMS }, (_, index) => text.slice(100 * index, 100 * index + 20))
    const prompt = Array.from({ length: PROMPT_TOKENS }, (_, index) => (index * 7_919) % vocabSize)
    const alone: number[] = []
    const beside: number[] = []
    const gaps: number[] = []
    // The first of each kind touches memory and is not counted.
    for (let round = -1; round < options.alternations; round++) {
      progress(`alternation ${Math.max(1, round + 1)} of ${options.alternations}`)
      isStreaming = false
      const aloneMs = await readPrompt(engine, prompt)
      isStreaming = round >= 0
      const { ms, gapsMs } = await whileStreaming(engine, streamPrompts, prompt)
      if (round < 0) continue
      alone.push(aloneMs)
      beside.push(ms)
      gaps.push(...gapsMs)
    }
    progressDone()
    gaps.sort((a, b) => a - b)
    const at = (share: number) => round(gaps[Math.ceil(gaps.length * share) - 1] ?? Number.NaN)
    const speed = (ms: readonly number[]) => round((PROMPT_TOKENS / median(ms)) * 1_000)
    const figures = {
      ...{ model, streams: STREAMS, promptTokens: PROMPT_TOKENS, chunkMs: CHUNK_MS, gaps: gaps.length },
      ...{ gapMsMedian: at(0.5), gapMsP99: at(0.99), gapMsMax: at(1), stepMs: round(median(stepMs)) },
      ...{ prefillAloneTokensPerSecond: speed(alone), prefillBesideTokensPerSecond: speed(beside) },
    }
    console.log(
      table(
        ['', ''],
        Object.entries(figures).map(([name, value]) => [name, String(value)]),
      ),
    )
    conclude(
      'prompt-beside-streams',
      { figures, ratios: { 'beside/alone': round(speed(beside) / speed(alone)) } },
      options,
    )
  } finally {
    await engine.stop()
  }
})

function generate(engine: Engine, prompt: number[], maxTokens: number, onToken: () => void) {
  const sampling = { temperature: 0, topK: 0, topP: 1, seed: [0, 0] as [number, number], choice: 0 }
  return engine.generate({ prompt, answer: [], maxTokens, sampling, sameness: false }, (event) => {
    if (event.type === 'error') throw new Error(event.code)
    if (event.type === 'tokens') onToken()
  })
}

/** @returns milliseconds to the first token */
function readPrompt(engine: Engine, prompt: number[]): Promise<number> {
  const started = performance.now()
  return new Promise((resolve) => generate(engine, prompt, 1, () => resolve(performance.now() - started)))
}

/** Milliseconds to the prompt's first token, and every gap between tokens of a stream that ended while it was read. */
async function whileStreaming(engine: Engine, streamPrompts: readonly number[][], prompt: number[]) {
  const gapsMs: number[] = []
  let isReading = false
  const streams = streamPrompts.map((streamPrompt) => {
    const far = Promise.withResolvers<void>()
    let tokens = 0
    let last = performance.now()
    const { cancel } = generate(engine, streamPrompt, STREAM_TOKENS, () => {
      const now = performance.now()
      if (isReading) gapsMs.push(now - last)
      last = now
      if (++tokens === TOKENS_BEFORE) far.resolve()
    })
    return { far: far.promise, cancel }
  })
  await Promise.all(streams.map(({ far }) => far))
  isReading = true
  const ms = await readPrompt(engine, prompt)
  isReading = false
  for (const { cancel } of streams) cancel()
  return { ms, gapsMs }
}
