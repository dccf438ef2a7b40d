/** What all lists have in common, whoever keeps them: how they are asked for, and how they answer. Runs in workerd. */
import { expect, test } from 'vitest'
import * as z from 'zod/mini'
import { listOf } from '../../src/http/openapi/list-schema.ts'
import { OPERATIONS } from '../../src/http/openapi/operations.ts'
import { codeOf, edge, MODEL } from './edge-client.ts'

const api = edge()
/** Those that page. */
const lists = Object.entries(OPERATIONS)
  .filter(([, { query }]) => query && 'after' in query)
  .map(([route]) => route.replace('GET ', '').replace(':id', 'summarization').replace(':model', MODEL))

test('there are lists to walk, in every part of the API', () => {
  expect(lists.length).toBeGreaterThan(9)
  expect(lists).toContain('/admin/keys')
})

test.each(lists)('GET %s answers in the one envelope, and refuses what no list takes', async (path) => {
  await api.post(`/admin/prices/${MODEL}`, { input: 1, output: 1 }, { method: 'PUT' })
  const response = await api.get(`${path}?limit=100`)
  expect([response.status, listOf(z.any()).safeParse(await response.json()).error]).toEqual([200, undefined])
  for (const query of ['limit=0', 'limit=101', 'limit=1.5', 'limit=1&limit=1', 'after=', 'surprise=1']) {
    const refused = await api.get(`${path}?${query}`)
    expect([query, refused.status, await codeOf(refused)]).toEqual([query, 400, 'invalid_request'])
  }
})

test.each(lists)('GET %s is 503 while D1 fails, and tells nothing of it', async (path) => {
  const failing = () => Promise.reject(new Error('D1 at 10.0.0.1'))
  const statement = { bind: () => statement, first: failing, all: failing, run: failing }
  const broken = edge({ DB: { prepare: () => statement, batch: failing } } as never)
  const response = await broken.get(path)
  const text = await response.text()
  expect([response.status, text]).toEqual([503, expect.stringContaining('store_unavailable')])
  expect(text).not.toContain('10.0.0.1')
})
