import { expect, test } from 'vitest'
import { reportOf, reportText } from '../../../functions/inference/models/model-report.ts'

const about = {
  ...{ runs: 2, batch: 1, promptTokens: 100, answerTokens: 10, threads: 2, model: 'm', date: '2026-01-02' },
  machine: { cpu: 'c', cores: 4 },
  memoryMib: { weights: 90, residentBefore: 50, resident: 300 },
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

test('a batch counts the tokens of all its callers, in the time of one', () => {
  const report = reportOf([{ prefillMs: 100, decodeMs: 100 }], { ...about, runs: 1, batch: 4 })
  expect(report).toMatchObject({
    inferences: 1,
    tokens: { prompt: 400, answer: 40 },
    inferenceMs: { average: 200, minimum: 200, maximum: 200 },
    promptTokensPerSecond: 4_000,
    answerTokensPerSecond: 400,
  })
  expect(reportText(report)).toContain('each 4 times 100 tokens read and 10 generated')
  expect(reportText(report)).toContain('resident 50 MiB before, 300 MiB with the model')
})
