/** `npm run filter`: writes a list of words from a file into a running installation as a filter rule, or reads and deletes rules. */
import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { readDevelopmentKey } from './start/development-state.ts'

const USAGE = `npm run filter -- COMMAND [options]
  list               the rules there are
  put NAME FILE      writes a rule: FILE has a word or phrase a line (lines that begin with # are comments),
                     or, when its name ends in .json, the whole rule
  get NAME           prints the rule
  delete NAME        deletes it
  --action ACTION    of a list of words: mask (the default), redact or block
  --category NAME    what POST /v1/moderations calls it; the rule's name unless told
  --on SIDE          both (the default), input or output
  --match HOW        auto (the default), word or substring
  --url URL          default http://127.0.0.1:8787
  --key KEY          default: the key of the local state folder
  --state-dir DIR    default .perigee`

try {
  await main()
} catch (error) {
  console.error(`filter: ${error instanceof Error ? error.message : String(error)}`)
  process.exitCode = 1
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      action: { type: 'string' },
      category: { type: 'string' },
      on: { type: 'string' },
      match: { type: 'string' },
      url: { type: 'string', default: 'http://127.0.0.1:8787' },
      key: { type: 'string' },
      'state-dir': { type: 'string', default: '.perigee' },
      help: { type: 'boolean', default: false },
    },
  })
  const [command, name, file] = positionals
  if (values.help || command === undefined) return console.log(USAGE)
  const key = values.key ?? readDevelopmentKey(values['state-dir'])
  if (!key) throw new Error('No key: give --key, or start the installation first.')
  const path = `${values.url}/admin/filters${command === 'list' ? '?limit=100' : `/${encodeURIComponent(name ?? '')}`}`
  if (command !== 'list' && name === undefined) throw new Error(`${command} needs the NAME of a rule.`)
  switch (command) {
    case 'list':
    case 'get':
      return console.log(JSON.stringify(await ask(path, key, 'GET'), null, 2))
    case 'delete':
      return console.log(JSON.stringify(await ask(path, key, 'DELETE')))
    case 'put': {
      if (file === undefined) throw new Error('put needs a FILE.')
      const { action = 'mask', category, on, match } = values
      const rule = file.endsWith('.json')
        ? JSON.parse(readFileSync(file, 'utf8'))
        : { action, category, on, match, words: wordsIn(readFileSync(file, 'utf8')) }
      const { words: _, ...written } = (await ask(path, key, 'PUT', rule)) as { words?: string[] }
      return console.log(JSON.stringify(written))
    }
    default:
      throw new Error(`There is no command ${command}. See npm run filter -- --help.`)
  }
}

function wordsIn(text: string): string[] {
  const lines = text.split(/\r?\n/).map((line) => line.trim())
  return [...new Set(lines.filter((line) => line !== '' && !line.startsWith('#')))]
}

async function ask(url: string, key: string, method: string, body?: object): Promise<unknown> {
  const response = await fetch(url, {
    method,
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    ...(body ? { body: JSON.stringify(body) } : {}),
  })
  const answer: unknown = await response.json()
  if (response.ok) return answer
  // Sound: our errors are problems, and whatever else it is has no detail.
  const { detail, code } = answer as { detail?: string; code?: string }
  throw new Error(`${detail ?? `status ${response.status}`}${code ? ` (${code})` : ''}`)
}
