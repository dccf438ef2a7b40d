/**
 * A decoder without a model: its rows hold tokens, and its logits point at a token that depends on all of them. So a row that was
 * moved, overwritten or fed at the wrong place shows in the answer; and so does a token that was fed behind others than those before it
 * now. They also know which of them a prompt's run made on top of nothing but such: the logits tell how many.
 */
import type { Decoder } from '../../../functions/inference/engine/decoder.ts'
import type { ModelConfig } from '../../../functions/inference/models/model-config.ts'

export const FAKE_VOCABULARY = 1_000
export const END_TOKEN = 0

/** What the fake model says next. Never the end token, unless the last token is 999. */
export function nextToken(tokens: readonly number[]): number {
  if (tokens.at(-1) === FAKE_VOCABULARY - 1) return END_TOKEN
  return 1 + (tokens.reduce(hash, 7) % (FAKE_VOCABULARY - 1))
}
const hash = (sum: number, token: number) => (Math.imul(sum, 31) + token) >>> 0

/** How many leading tokens of a row were exact, where the next token is not the end token. */
export const exactTokens = (logits: Float32Array): number => -(logits[END_TOKEN] ?? 0)

export type FakeRun =
  | { kind: 'prefill'; row: number; position: number; count: number }
  | { kind: 'decode'; count: number }

/** @param beforeRun awaited in every run: where a test cancels or looks */
export function fakeDecoder(
  rows: number,
  context: number,
  beforeRun: (run: FakeRun) => void | Promise<void> = () => {},
): Decoder {
  const memory = Array.from({ length: rows }, () => new Array<number>(context).fill(-1))
  const exactness = Array.from({ length: rows }, () => new Array<number>(context).fill(0))
  /** By position: a hash of the tokens before it when it was fed, exact in a float. */
  const behind = Array.from({ length: rows }, () => new Array<number>(context).fill(0))
  const row = (index: number, of = memory) => {
    const found = of[index]
    if (found === undefined) throw new Error(`There is no row ${index} of ${rows}.`)
    return found
  }
  const exactLength = (index: number, length: number) => {
    const end = row(index, exactness).slice(0, length).indexOf(0)
    return end < 0 ? length : end
  }
  function copyTokens(from: number, to: number, tokens: number) {
    for (const of of [memory, exactness, behind]) {
      for (let i = 0; i < tokens; i++) row(to, of)[i] = row(from, of)[i] ?? -1
    }
  }
  const hashBefore = (index: number, position: number) => row(index).slice(0, position).reduce(hash, 7) % 2 ** 24
  function feed(index: number, position: number, token: number, exact: number) {
    row(index, behind)[position] = hashBefore(index, position)
    row(index)[position] = token
    row(index, exactness)[position] = exact
  }
  /** Whether each token was fed behind those that are before it now. */
  function isWhole(index: number, length: number) {
    let sum = 7
    for (let position = 0; position < length; position++) {
      if (row(index, behind)[position] !== sum % 2 ** 24) return false
      sum = hash(sum, row(index)[position] ?? -1)
    }
    return true
  }
  function logitsAfter(index: number, length: number, out: Float32Array) {
    const tokens = row(index).slice(0, length)
    if (tokens.includes(-1)) throw new Error(`Row ${index} has a hole before ${length}.`)
    out[END_TOKEN] = -exactLength(index, length)
    const next = nextToken(tokens)
    out[isWhole(index, length) ? next : 1 + (next % (FAKE_VOCABULARY - 2))] = 1
  }
  // Sound because the scheduler reads only these two of the configuration.
  const config = { vocabSize: FAKE_VOCABULARY, eosTokenIds: [END_TOKEN] } as ModelConfig
  return {
    config,
    rows,
    context,
    async prefill({ row: index, tokens, start, count, position, logits }) {
      await beforeRun({ kind: 'prefill', row: index, position, count })
      const exact = exactLength(index, position) === position ? 1 : 0
      for (let i = 0; i < count; i++) feed(index, position + i, tokens[start + i] ?? -1, exact)
      const positions = logits === 'all' ? count : 1
      const out = new Float32Array(positions * FAKE_VOCABULARY)
      for (let i = 0; i < positions; i++) {
        const length = position + (logits === 'all' ? i + 1 : count)
        logitsAfter(index, length, out.subarray(i * FAKE_VOCABULARY, (i + 1) * FAKE_VOCABULARY))
      }
      return out
    },
    async decode(count, tokens, positions) {
      await beforeRun({ kind: 'decode', count })
      const out = new Float32Array(count * FAKE_VOCABULARY)
      for (let index = 0; index < count; index++) {
        const position = positions[index] ?? 0
        if (position >= context) throw new Error(`Row ${index} is full.`)
        feed(index, position, tokens[index] ?? -1, 0)
        const logits = out.subarray(index * FAKE_VOCABULARY, (index + 1) * FAKE_VOCABULARY)
        // An empty row may hold anything: nobody reads its logits.
        if (!row(index).slice(0, position).includes(-1)) logitsAfter(index, position + 1, logits)
      }
      return out
    },
    copyRow: copyTokens,
    swapRows(one, other, tokens) {
      const spare = [memory, exactness, behind].map((of) => row(one, of).slice(0, tokens))
      copyTokens(other, one, tokens)
      for (const [index, of] of [memory, exactness, behind].entries())
        row(other, of).splice(0, tokens, ...(spare[index] ?? []))
    },
    tokenFloats: 3,
    saveTokens(index, position, count, block, at) {
      for (const [part, of] of [memory, exactness, behind].entries()) {
        for (let i = 0; i < count; i++) block[3 * (at + i) + part] = row(index, of)[position + i] ?? -1
      }
    },
    loadTokens(index, position, count, block, at) {
      for (const [part, of] of [memory, exactness, behind].entries()) {
        for (let i = 0; i < count; i++) row(index, of)[position + i] = block[3 * (at + i) + part] ?? -1
      }
    },
    close() {},
  }
}
