/** What is printed is to be pasted: it must work for any folder and any name. */
import { execFileSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { banner } from '../../../scripts/start/banner.ts'
import { DEFAULT_STATE_DIR, type StartOptions } from '../../../scripts/start/options.ts'

const OPTIONS: StartOptions = {
  port: 8787,
  inferencePort: 8080,
  model: 'm',
  stateDir: DEFAULT_STATE_DIR,
  verbose: false,
  inference: true,
  upstream: undefined,
  configFile: undefined,
}
const show = (more: { stateDir?: string; modelName?: string }) => {
  const { modelName = 'm', ...options } = more
  return banner({ options: { ...OPTIONS, ...options }, key: 'pg_x', models: [modelName], notes: [], seconds: 1 })
}

test('the command that prints the key again names the state folder, unless it is the usual one', () => {
  expect(show({})).toContain('(npm run -s key prints it again)')
  expect(show({ stateDir: '/srv/state' })).toContain('(npm run -s key -- --state-dir /srv/state prints it again)')
  expect(show({ stateDir: "/srv/it's mine" })).toContain("--state-dir '/srv/it'\\''s mine' prints")
})

test('the curl line stays one whole command whatever the model is called', () => {
  const line = show({ modelName: `it's "mine" $HOME` })
    .split('\n')
    .find((text) => text.startsWith('curl '))
  // A shell function in curl's place, which shows the words that it got.
  const shown = execFileSync('sh', ['-c', `curl() { printf '%s\\n' "$@"; }; ${line}`], { encoding: 'utf8' })
  const words = shown.trimEnd().split('\n')
  expect(words).toHaveLength(8)
  expect(JSON.parse(words.at(-1) ?? '')).toMatchObject({ model: `it's "mine" $HOME` })
})
