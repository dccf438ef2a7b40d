/** What a person sees when everything answers: where it is, the key, and a line to paste. */
import { DEFAULT_STATE_DIR, type StartOptions } from './options.ts'
import { shellText } from './shell-text.ts'

/** More names than these do not help anybody who looks for the line to paste. */
const MODELS_SHOWN = 6

/** `models` are aliases; the first is the one to try. */
export function banner(shown: {
  options: StartOptions
  key: string
  models: readonly string[]
  notes: readonly string[]
  seconds: number
}): string {
  const url = `http://127.0.0.1:${shown.options.port}`
  const body = JSON.stringify({
    model: shown.models[0] ?? 'MODEL',
    stream: true,
    temperature: 0,
    messages: [{ role: 'user', content: 'What is 7 + 5?' }],
  })
  const { stateDir } = shown.options
  const more = shown.models.length - MODELS_SHOWN
  const names = [...shown.models.slice(0, MODELS_SHOWN), ...(more > 0 ? [`and ${more} more (GET /v1/models)`] : [])]
  const keyCommand = `npm run -s key${stateDir === DEFAULT_STATE_DIR ? '' : ` -- --state-dir ${shellText(stateDir)}`}`
  return `
Perigee is ready after ${shown.seconds.toFixed(1)} s.

  API    ${url}/v1
  Docs   ${url}/docs
  ${shown.models.length > 1 ? 'Models' : 'Model '} ${names.join(', ') || 'none yet: npm start -- --upstream, or docs/routing.md'}
  Key    ${shown.key}   (${keyCommand} prints it again)
${shown.notes.map((note) => `\n  ${note}\n`).join('')}
Try it:

curl -N ${url}/v1/chat/completions -H 'authorization: Bearer ${shown.key}' -H 'content-type: application/json' -d ${shellText(body)}

Ctrl-C stops everything.
`
}
