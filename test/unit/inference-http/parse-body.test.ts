import { expect, test } from 'vitest'
import { parse } from '../../../functions/inference/http/parse-body.ts'
import { RequestError } from '../../../functions/inference/http/request-error.ts'
import { chatRequestSchema } from '../../../src/contract/chat-completion.ts'

function refusal(change: object) {
  try {
    parse(chatRequestSchema(), { model: 'm', messages: [{ role: 'user', content: 'x' }], ...change })
  } catch (error) {
    if (error instanceof RequestError) return { status: error.status, param: error.param, message: error.message }
    throw error
  }
  throw new Error('was taken')
}
const many = (value: unknown) => new Array<unknown>(10_000).fill(value)

/** A field that may be text or a list has a union for a schema, whose own message names neither the bound nor the entry. */
test.each<[string, unknown, string, string]>([
  ['10,000 of them', many('x'), 'stop', 'stop: Too big: expected array to have <=16 items'],
  ['10,000 that are empty, each of which is wrong itself', many(''), 'stop', 'stop: Too big: expected array'],
  ['10,000 of another type', many(7), 'stop', 'stop: Too big: expected array'],
  ['a list in which one is wrong', ['a', 'b', 5], 'stop[2]', 'stop[2]: Invalid input: expected string'],
  ['a list in which one is too long', ['a', 'x'.repeat(9_999)], 'stop[1]', 'stop[1]: Too big: expected string'],
  ['one that is too long', 'x'.repeat(9_999), 'stop', 'stop: Too big: expected string'],
  ['neither text nor a list', { a: 1 }, 'stop', 'stop: Invalid input: expected string or array'],
])('stop strings are refused by name: %s', (_, stop, param, message) => {
  expect(refusal({ stop })).toEqual({ status: 400, param, message: expect.stringContaining(message) })
})

test('the refusal of a large list is as short as that of a small one', () => {
  expect(refusal({ stop: many('x'.repeat(100)) }).message.length).toBeLessThan(100)
})
