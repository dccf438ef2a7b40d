/** What a person sees when everything answers: where it is, the key, and a line to paste. */
import { DEFAULT_STATE_DIR, type StartOptions } from './options.ts'
import { shellText } from './shell-text.ts'

export function banner(shown: { options: StartOptions; key: string; modelName: string; seconds: number }): string {
  const url = `http://127.0.0.1:${shown.options.port}`
  const body = JSON.stringify({
    model: shown.modelName,
    stream: true,
    temperature: 0,
    messages: [{ role: 'user', content: 'What is 7 + 5?' }],
  })
  const { stateDir } = shown.options
  const keyCommand = `npm run -s key${stateDir === DEFAULT_STATE_DIR ? '' : ` -- --state-dir ${shellText(stateDir)}`}`
  return `
Perigee is ready after ${shown.seconds.toFixed(1)} s.

  API    ${url}/v1
  Docs   ${url}/docs
  Model  ${shown.modelName}
  Key    ${shown.key}   (${keyCommand} prints it again)

Try it:

curl -N ${url}/v1/chat/completions -H 'authorization: Bearer ${shown.key}' -H 'content-type: application/json' -d ${shellText(body)}

Ctrl-C stops everything.
`
}
