/**
 * How well answers keep to schemas: random schemas at temperature 1, each answer with 512 tokens at most. Counted: schemas that are
 * accepted, answers that are complete, and that every complete one validates by ajv, which knows nothing of our grammars.
 *
 *     npm run long:schemas                 # writes test/bench/results/schemas.json
 *     npm run long:schemas -- --count 20 --seed 3 --no-save
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import Ajv2020 from 'ajv/dist/2020.js'
import { startServer } from '../../functions/inference/http/start-server.ts'
import { ensureModel } from '../../functions/inference/models/ensure-model.ts'
import { parseSettings } from '../../functions/inference/settings.ts'
import type { ChatResponse } from '../../src/contract/chat-completion.ts'
import { thisMachine } from './measure/machine.ts'
import { randomSchemas } from './schemas/random-schemas.ts'

const { values: options } = parseArgs({
  options: {
    count: { type: 'string', default: '200' },
    seed: { type: 'string', default: '1' },
    callers: { type: 'string', default: '8' },
    'no-save': { type: 'boolean', default: false },
  },
})
const MAX_TOKENS = 512

const settings = parseSettings(['--port', '0', '--context', '1024'], {})
if (settings.kind !== 'settings') throw new Error('The settings of this bench are wrong.')
const model = await ensureModel({})
if (!model.ok) throw new Error(model.message)
const server = await startServer(settings.settings, (line) => process.stderr.write(`${line}\n`))
const { modelName } = await server.serve(model.folder)

const schemas = randomSchemas(Number(options.seed), Number(options.count))
const ajv = new Ajv2020({ strict: false, validateFormats: false })
const counts = { schemas: schemas.length, accepted: 0, complete: 0, valid: 0, tokens: 0 }
const faults: { schema: object; fault: string }[] = []
const seconds: number[] = []
let next = 0

async function ask(schema: object, seed: number): Promise<void> {
  const started = performance.now()
  const response = await fetch(`${server.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      ...{ model: modelName, temperature: 1, seed, max_tokens: MAX_TOKENS },
      messages: [{ role: 'user', content: 'Answer with a plausible example as JSON.' }],
      response_format: { type: 'json_schema', json_schema: { name: 'answer', strict: true, schema } },
    }),
  })
  seconds.push((performance.now() - started) / 1_000)
  const body: unknown = await response.json()
  if (response.status !== 200) {
    faults.push({ schema, fault: `${response.status} ${JSON.stringify(body)}` })
    return
  }
  // Sound because the route answers 200 with nothing else.
  const { choices, usage } = body as ChatResponse
  const text = choices[0]?.message.content ?? ''
  counts.accepted++
  counts.tokens += usage?.completion_tokens ?? 0
  if (choices[0]?.finish_reason !== 'stop') {
    faults.push({ schema, fault: `not complete: ${text}` })
    return
  }
  counts.complete++
  if (isValid(schema, text)) counts.valid++
  else faults.push({ schema, fault: `not valid: ${text}` })
}

function isValid(schema: object, text: string): boolean {
  try {
    return ajv.validate(schema, JSON.parse(text))
  } catch {
    return false
  }
}

const started = performance.now()
const callers = Array.from({ length: Number(options.callers) }, async () => {
  for (let index = next++; index < schemas.length; index = next++) await ask(schemas[index] ?? {}, index)
})
await Promise.all(callers)
const elapsed = (performance.now() - started) / 1_000
await server.stop(0)

seconds.sort((a, b) => a - b)
const result = {
  command: `npm run long:schemas -- --count ${options.count} --seed ${options.seed}`,
  date: new Date().toISOString().slice(0, 10),
  machine: thisMachine(),
  model: modelName,
  ...{ temperature: 1, maxTokens: MAX_TOKENS, callers: Number(options.callers) },
  ...counts,
  acceptedShare: counts.accepted / counts.schemas,
  completeShare: counts.complete / Math.max(1, counts.accepted),
  secondsInAll: Math.round(elapsed),
  medianSecondsPerAnswer: Number((seconds[Math.floor(seconds.length / 2)] ?? 0).toFixed(2)),
  faults,
}
process.stdout.write(`${JSON.stringify(result, null, 2)}\n`)
if (!options['no-save']) {
  writeFileSync(join(import.meta.dirname, 'results/schemas.json'), `${JSON.stringify(result, null, 2)}\n`)
}
const isGood = result.acceptedShare >= 0.95 && result.completeShare >= 0.95 && counts.valid === counts.complete
process.exit(isGood ? 0 : 1)
