/** Fields of a request: those that cannot be honoured are refused by name, without a word of what they held. */
import { expect, test } from 'vitest'
import { refuseUnsupported } from '../../../functions/inference/http/field-support.ts'
import { RequestError } from '../../../functions/inference/http/request-error.ts'

function refusal(body: object): RequestError {
  try {
    refuseUnsupported(body, [])
  } catch (thrown) {
    if (thrown instanceof RequestError) return thrown
    throw thrown
  }
  throw new Error('The body was accepted.')
}

test('a value is never quoted: it may be somebody’s text', () => {
  const error = refusal({ suffix: 'my secret' })
  expect(error).toMatchObject({ code: 'unsupported_parameter', param: 'suffix' })
  expect(error.message).toContain('suffix')
  expect(error.message).not.toContain('secret')
})

test('the name of an unknown field is the caller’s too, so it is quoted in part only', () => {
  const error = refusal({ [`my_${'x'.repeat(10_000)}`]: 1 })
  expect(error).toMatchObject({ code: 'unknown_parameter', message: expect.stringContaining('my_xxx') })
  expect(error.message.length + (error.param?.length ?? 0)).toBeLessThan(250)
})

test('hints to models that reason or can be told to be brief change nothing here', () => {
  expect(() => refuseUnsupported({ reasoning_effort: 'low', verbosity: 'low' }, [])).not.toThrow()
})
