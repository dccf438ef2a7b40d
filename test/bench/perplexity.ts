/**
 * `npm run long:perplexity`: how surprised our engine is by a fixed English text, beside llama.cpp on the same file of weights.
 * With --save it commits both figures; the inference suite then holds our engine to llama.cpp's without installing it.
 */
import { loadModel } from '../../functions/inference/engine/load-model.ts'
import {
  perplexityOf,
  RULE,
  WINDOW_TOKENS,
  WINDOWS_SHORT,
  windowsOf,
} from '../../functions/inference/models/perplexity.ts'
import { loadTokenizer } from '../../functions/inference/text/tokenizer.ts'
import { openLlama } from './engine/llama-cpp.ts'
import { type ModelFiles, modelFiles } from './engine/model-files.ts'
import { runBench } from './measure/options.ts'
import { conclude } from './measure/outcome.ts'
import { progress, progressDone } from './measure/progress.ts'
import { table } from './measure/table.ts'
import { englishText, tokensSha256 } from './perplexity/text.ts'

const THREADS = 2

await runBench('long:perplexity', ['perigee', 'llama'], async (options) => {
  const files = await modelFiles()
  const text = englishText()
  const tokenizer = await loadTokenizer(files.modelFolder)
  const tokens = tokenizer.encode(text, { specialTokens: false })
  const all = windowsOf(tokens)
  const windows = options.quick ? all.slice(0, WINDOWS_SHORT) : all

  const llama = await openLlama(files.ggufPath, THREADS)
  if (tokensSha256(llama.tokenize(text)) !== tokensSha256(tokens)) {
    throw new Error(
      'The two tokenizers cut the text differently, so their perplexities would not be of the same thing.',
    )
  }
  const context = await llama.openContext({ sequences: 1, contextTokens: WINDOW_TOKENS })
  const theirs = await scoreAll('llama.cpp', windows, (window) => context.logProbabilities(window))
  const ours = await scoreOurs(files, windows)

  const perplexity = { perigee: perplexityOf(ours), llama: perplexityOf(theirs) }
  // Each window scores all its tokens but one.
  const scoredShort = windows.slice(0, WINDOWS_SHORT).reduce((sum, window) => sum + window.length - 1, 0)
  const perplexityShort = {
    perigee: perplexityOf(ours.slice(0, scoredShort)),
    llama: perplexityOf(theirs.slice(0, scoredShort)),
  }
  const relativeDifference = perplexity.perigee / perplexity.llama - 1
  console.log(
    table(
      ['', 'perplexity'],
      [
        [llama.version, perplexity.llama.toFixed(4)],
        ['Perigee', perplexity.perigee.toFixed(4)],
        ['difference', `${relativeDifference < 0 ? '' : '+'}${(relativeDifference * 100).toFixed(3)} %`],
      ],
    ),
  )
  console.log(`\n${files.name}, ${tokens.length} tokens, ${ours.length} of them scored; ${RULE}.`)
  const measured = {
    figures: {
      model: files.name,
      weightsSha256: files.sha256,
      tokens: tokens.length,
      tokensSha256: tokensSha256(tokens),
      scored: ours.length,
      rule: RULE,
      versions: { llama: llama.version },
      perplexity,
      windowsShort: WINDOWS_SHORT,
      perplexityShort,
    },
    ratios: { 'perigee/llama': perplexity.perigee / perplexity.llama },
  }
  conclude('perplexity', measured, options)
})

async function scoreOurs(files: ModelFiles, windows: readonly number[][]): Promise<number[]> {
  const model = loadModel(files.modelFolder, { threads: THREADS, rows: 2, context: WINDOW_TOKENS })
  try {
    return await scoreAll('Perigee', windows, async (window) => (await model.logProbabilities(window)).values)
  } finally {
    model.close()
  }
}

async function scoreAll(
  name: string,
  windows: readonly number[][],
  score: (window: readonly number[]) => Promise<ArrayLike<number>>,
): Promise<number[]> {
  const result: number[] = []
  for (const [index, window] of windows.entries()) {
    progress(`${name}: window ${index + 1} of ${windows.length}`)
    result.push(...Array.from(await score(window)))
  }
  progressDone()
  return result
}
