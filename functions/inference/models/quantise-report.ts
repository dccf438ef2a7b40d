/** What quantising did to a model: the words of `npm run models -- quantize`. */
import type { Bits, Rounded } from '../import/quantised-file.ts'

export type QuantiseReport = {
  model: string
  bits: Bits
  /** How many matrices went from which type to which; the same type was left as it was. */
  matrices: Rounded[]
  /** Some matrices had been rounded by somebody else before. */
  sourceWasQuantised: boolean
  /** Bytes of the weights as they are served. */
  weightsBytes: { before: number; after: number }
  /** `relativeChange`: 0.01 is one per cent worse. */
  perplexity: { before: number; after: number; relativeChange: number }
  text: { tokens: number; scored: number; windowTokens: number }
}

const MIB = 2 ** 20

export function quantiseText(report: QuantiseReport): string {
  const { matrices, perplexity, weightsBytes, text } = report
  const mib = (bytes: number) => `${Math.round(bytes / MIB)} MiB`
  const percent = (perplexity.relativeChange * 100).toFixed(2)
  const sign = perplexity.relativeChange < 0 ? '' : '+'
  const rows: [string, string][] = [
    ['model', `${report.model}, ${report.bits} bits`],
    ...matrices.map(({ from, to, matrices: count }): [string, string] => [
      'matrices',
      from === to ? `${count} left as they were, ${from}` : `${count} from ${from} to ${to}`,
    ]),
    ...(report.sourceWasQuantised
      ? [
          ['note', 'the source was quantised already: what it lost before is lost, and the change is from there'] as [
            string,
            string,
          ],
        ]
      : []),
    ['weights', `${mib(weightsBytes.before)} before, ${mib(weightsBytes.after)} after, as served`],
    [
      'perplexity',
      `${perplexity.before.toFixed(3)} before, ${perplexity.after.toFixed(3)} after: ${sign}${percent} % (${text.scored} tokens scored, windows of ${text.windowTokens})`,
    ],
  ]
  const width = Math.max(...rows.map(([name]) => name.length))
  return rows.map(([name, value]) => `${name.padEnd(width)}  ${value}`).join('\n')
}
