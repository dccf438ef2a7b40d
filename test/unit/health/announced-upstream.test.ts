/** Calls of a deployment whose server announces itself go to where it is. */
import { expect, test } from 'vitest'
import type { ModelEvent, UpstreamCall } from '../../../src/chat/ports.ts'
import { announcedUpstream } from '../../../src/upstream/announced-upstream.ts'
import { deploymentOf } from '../../support/routes.ts'

async function* noEvents(): AsyncGenerator<readonly ModelEvent[]> {}

const { timeouts } = deploymentOf()
const CALL: UpstreamCall = {
  request: { kind: 'chat', body: { model: 'm', messages: [] } },
  model: 'm',
  seed: 1,
  drawnSeed: false,
  requestId: 'r',
  timeouts,
}

test('each call goes where the server is by then; nobody is called where there is none', async () => {
  let url: string | undefined = 'https://one.example'
  const made: string[] = []
  const opened: string[] = []
  const upstream = announcedUpstream({
    urlOf: () => url,
    make(place) {
      made.push(place)
      return {
        open: async () => {
          opened.push(place)
          return noEvents()
        },
      }
    },
  })
  const { signal } = new AbortController()
  await upstream.open(CALL, signal)
  await upstream.open(CALL, signal)
  url = 'https://two.example'
  await upstream.open(CALL, signal)
  expect(opened).toEqual(['https://one.example', 'https://one.example', 'https://two.example'])
  expect(made).toEqual(['https://one.example', 'https://two.example'])
  url = undefined
  await expect(upstream.open(CALL, signal)).rejects.toMatchObject({ code: 'upstream_unavailable' })
  expect(opened).toHaveLength(3)
})
