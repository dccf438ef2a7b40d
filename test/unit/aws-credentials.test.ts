/** Keys for AWS out of the Worker's secrets. */
import { expect, test } from 'vitest'
import { staticCredentials } from '../../src/upstream/aws-credentials.ts'

const from = (secrets: Record<string, string>, name?: string) => staticCredentials((secret) => secrets[secret], name)()

test('a named secret holds a key, and its session’s token where it has one', async () => {
  expect(await from({ UPSTREAM_A: 'AKID:se/cr+et=' }, 'UPSTREAM_A')).toEqual({
    ...{ accessKeyId: 'AKID', secretAccessKey: 'se/cr+et=' },
  })
  expect(await from({ UPSTREAM_A: 'ASIA:secret:IQoJ+/==' }, 'UPSTREAM_A')).toEqual({
    ...{ accessKeyId: 'ASIA', secretAccessKey: 'secret', sessionToken: 'IQoJ+/==' },
  })
})

test('without a name there are AWS’s three', async () => {
  const both = { UPSTREAM_AWS_ACCESS_KEY_ID: 'AKID', UPSTREAM_AWS_SECRET_ACCESS_KEY: 'secret' }
  expect(await from(both)).toEqual({ accessKeyId: 'AKID', secretAccessKey: 'secret' })
  expect(await from({ ...both, UPSTREAM_AWS_SESSION_TOKEN: 'token' })).toMatchObject({ sessionToken: 'token' })
})

test('the same object as long as nothing changes: a client is made for each', async () => {
  const credentials = staticCredentials(() => 'AKID:secret', 'UPSTREAM_A')
  expect(await credentials()).toBe(await credentials())
})

test.each<[string, Record<string, string>, string?]>([
  ['of which half is missing', { UPSTREAM_AWS_ACCESS_KEY_ID: 'AKID' }],
  ['that are not there', {}, 'UPSTREAM_A'],
  ['without a secret', { UPSTREAM_A: 'AKID' }, 'UPSTREAM_A'],
  ['with too many parts', { UPSTREAM_A: 'AKID:a:b:c' }, 'UPSTREAM_A'],
])('keys %s are told by the name of their secret, never by their text', async (_, secrets, name) => {
  const failure = await from(secrets, name).catch((thrown: unknown) => thrown)
  expect(failure).toMatchObject({ code: 'upstream_misconfigured' })
  const told = String((failure as Error).cause)
  expect(told).toContain(name ?? 'UPSTREAM_AWS_ACCESS_KEY_ID')
  expect(told).not.toContain('AKID')
})
