import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { openCallProcess } from '../../../functions/inference/one-shot/call-process.ts'
import { until } from '../../support/until.ts'

test('a process that hangs while it loads is killed and started again; who waited for it is told', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'perigee-calls-'))
  const log: string[] = []
  const child = openCallProcess({
    ...{ file: join(import.meta.dirname, 'hanging-calls.ts'), argument: join(folder, 'has-hung') },
    ...{ title: 'double', log: (line) => log.push(line), startMaxMs: 1_000 },
  })
  onTestFinished(async () => {
    await child.stop()
    rmSync(folder, { recursive: true })
  })
  expect(await child.call('waits')).toEqual({ ok: false, failure: { code: 'unavailable' } })
  expect(await child.start()).toBe(false)
  expect(log[0]).toBe('The process of the double was not ready after 1000 ms; it is killed.')
  await until('ready', () => child.state() === 'ready', 20_000)
  expect(await child.call('hello')).toEqual({ ok: true, reply: 'hello' })
})
