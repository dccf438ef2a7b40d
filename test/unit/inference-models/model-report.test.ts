import { expect, test } from 'vitest'
import { reportOf, reportText } from '../../../functions/inference/models/model-report.ts'

const about = {
  ...{ runs: 2, promptTokens: 100, answerTokens: 10, threads: 2, model: 'm', date: '2026-01-02' },
  machine: { cpu: 'c', cores: 4 },
  memoryMib: { weights: 90, resident: 300 },
}

test('a report has the average, the least and the most of whole inferences, and speeds over all of them', () => {
  const report = reportOf(
    [
      { prefillMs: 100, decodeMs: 100 },
      { prefillMs: 300, decodeMs: 300 },
    ],
    about,
  )
  expect(report).toMatchObject({
    inferences: 2,
    tokens: { prompt: 200, answer: 20 },
    inferenceMs: { average: 400, minimum: 200, maximum: 600 },
    promptTokensPerSecond: 500,
    answerTokensPerSecond: 50,
  })
  expect(reportText(report)).toContain('average 400 ms, minimum 200 ms, maximum 600 ms')
})
