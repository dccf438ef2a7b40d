import { expect, test } from 'vitest'
import { type BoundAnswer, createGrammars } from '../../../functions/inference/engine/grammar/grammars.ts'
import { schemaToGrammar } from '../../../functions/inference/grammar/schema-to-grammar.ts'
import { seededRandom } from '../../support/seeded-random.ts'
import { defaultModelFolder } from './default-model.ts'

const END = 2
const VOCABULARY = 49_152
/** So few that the way to the end is taken in the midst of an answer. */
const MAX_TOKENS = 150

/** What has to be there makes the way long at first, and shorter with each part of it. */
const SCHEMA = {
  type: 'object',
  properties: {
    places: {
      type: 'array',
      minItems: 4,
      items: {
        type: 'object',
        properties: { name: { type: 'string' }, kind: { enum: ['town', 'hill'] } },
        required: ['name', 'kind'],
        additionalProperties: false,
      },
    },
  },
  required: ['places'],
  additionalProperties: false,
}

test('an answer that another thread began is held to what it would have been held to there, also near its limit', async () => {
  const grammar = schemaToGrammar(SCHEMA)
  if (!grammar.ok) throw new Error(grammar.message)
  const { source } = grammar
  const grammars = createGrammars({ folder: await defaultModelFolder(), vocabSize: VOCABULARY, eosTokenIds: [END] })
  expect(await grammars.check(source)).toEqual({ ok: true })
  const random = seededRandom(6)

  const ids: number[] = []
  const allowed: number[][] = []
  const first = grammars.open(source, [], MAX_TOKENS)
  while (ids.at(-1) !== END) {
    allowed.push(await allowedBy(first))
    ids.push(random.pick(allowed.at(-1) ?? []))
    if (ids.at(-1) !== END) first.accept(ids.at(-1) ?? END)
  }

  for (let cut = 1; cut < ids.length; cut += 7) {
    const second = grammars.open(source, ids.slice(0, cut), MAX_TOKENS)
    for (const [at, id] of ids.entries()) {
      if (at < cut) continue
      expect(await allowedBy(second), `token ${at} after a cut at ${cut}`).toEqual(allowed[at])
      if (id !== END) second.accept(id)
    }
    second.close()
  }
  await grammars.stop()
})

async function allowedBy(bound: BoundAnswer): Promise<number[]> {
  await bound.ready()
  const mask = bound.mask()
  if (typeof mask === 'string') throw new Error(mask)
  return Array.from({ length: VOCABULARY }, (_, id) => id).filter(
    (id) => (((mask[id >> 5] ?? 0) >>> (id & 31)) & 1) === 1,
  )
}
