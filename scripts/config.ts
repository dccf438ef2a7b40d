/** `npm run config`: which models there are and who answers for them, from a file: shows what it would change, applies it, goes back. */
import { readFileSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { parse, stringify } from 'yaml'
import { aliasSchema } from '../src/contract/routing-config.ts'
import { configApi, Refused, sentences, type Version } from './config/config-api.ts'
import { diffText } from './config/diff-text.ts'
import { importText } from './config/import-file.ts'
import { readDevelopmentKey } from './start/development-state.ts'

const USAGE = `npm run config -- COMMAND [options]
  plan FILE          what FILE (YAML or JSON; - is the standard input) would change; changes nothing.
                     Exit code 0: nothing, 2: something, 1: FILE is refused, or something went wrong
  apply FILE         shows the same, then makes it hold: whole, or not at all.
                     Refused where somebody else changed something meanwhile
  rollback VERSION   makes an earlier version hold again, as a new version; 0 is what the settings say
  versions           who changed what, when and why, newest first
  export [FILE]      writes what holds, or what --version says, as apply takes it
  import FILE [OUT]  makes our file of LiteLLM's config.yaml or Portkey's JSON, and lists what it could not carry over and
                     why. OUT is perigee.yaml unless told, and must not be there yet; nothing is applied
  --alias NAME       of import: what callers name a Portkey configuration by, which names no model (default: chat)
  --comment TEXT     of apply and rollback: why
  --version N        of export
  --limit N          of versions: how many, 20 unless told, 100 at most
  --url URL          default http://127.0.0.1:8787
  --key KEY          default: the key of the local state folder
  --state-dir DIR    default .perigee`

/** As `diff` and `terraform plan -detailed-exitcode`: a script can tell it from a failure. */
const HAS_CHANGES = 2

try {
  process.exitCode = await main()
} catch (error) {
  console.error(`config: ${error instanceof Error ? error.message : String(error)}`)
  if (error instanceof Refused) for (const reason of error.reasons) console.error(`  ${reason}`)
  process.exitCode = 1
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      comment: { type: 'string', default: '' },
      alias: { type: 'string', default: 'chat' },
      version: { type: 'string' },
      limit: { type: 'string', default: '20' },
      url: { type: 'string', default: 'http://127.0.0.1:8787' },
      key: { type: 'string' },
      'state-dir': { type: 'string', default: '.perigee' },
      help: { type: 'boolean', default: false },
    },
  })
  const [command, argument, out = 'perigee.yaml'] = positionals
  if (values.help || command === undefined) {
    console.log(USAGE)
    return 0
  }
  // It asks no installation: there may be none yet.
  if (command === 'import') return importFile(argument, out, values.alias)
  const key = values.key ?? readDevelopmentKey(values['state-dir'])
  if (!key) throw new Error('No key: give --key, or start the installation first.')
  const api = configApi(values.url, key)
  switch (command) {
    case 'plan': {
      const { diff } = await planned(argument)
      return diff.length > 0 ? HAS_CHANGES : 0
    }
    case 'apply': {
      const { document, version, diff } = await planned(argument)
      if (diff.length > 0) console.log(held(await api.apply(document, version, values.comment)))
      return 0
    }
    case 'rollback': {
      const made = await api.rollBack(numberOf('VERSION', argument), values.comment)
      show(made.diff)
      console.log(held(made))
      return 0
    }
    case 'versions': {
      const { data } = await api.versions(numberOf('--limit', values.limit))
      for (const version of data) {
        console.log(headline(version))
        show(version.diff)
        const more = version.changes - version.diff.length
        if (more > 0) console.log(`  and ${more} more`)
      }
      return 0
    }
    case 'export': {
      const { version } = values
      const { config } = version === undefined ? await api.current() : await api.version(numberOf('--version', version))
      const text = argument?.endsWith('.json') ? JSON.stringify(config, null, 2) : stringify(config).trimEnd()
      if (argument === undefined) console.log(text)
      else writeFileSync(argument, `${text}\n`)
      return 0
    }
    default:
      throw new Error(`There is no command ${command}. See npm run config -- --help.`)
  }

  async function planned(file: string | undefined) {
    const document = readDocument(file)
    const { version, valid, errors, diff } = await api.plan(document)
    if (!valid) throw new Refused(sentences(errors))
    if (diff.length === 0) console.log(`Nothing to change: version ${version} is the same.`)
    show(diff)
    return { document, version, diff }
  }
}

function importFile(file: string | undefined, out: string, alias: string): number {
  if (!aliasSchema.safeParse(alias).success) throw new Error('--alias must be letters, digits and ._:/@-')
  const { text, report } = importText(readText(file), alias)
  // Never over a file that somebody may have edited since.
  if (text !== undefined) writeFileSync(out, text, { flag: 'wx' })
  for (const line of report) console.log(line)
  console.log(
    text === undefined
      ? '\nNothing was written.'
      : `\nWritten to ${out}. Look at it, then: npm run config -- plan ${out}`,
  )
  return text === undefined ? 1 : 0
}

function readText(file: string | undefined): string {
  if (file === undefined) throw new Error('It needs a FILE.')
  return readFileSync(file === '-' ? 0 : file, 'utf8')
}

function readDocument(file: string | undefined): unknown {
  const text = readText(file)
  try {
    // JSON is YAML, too.
    return parse(text)
  } catch (error) {
    throw new Error(`${file} is not valid YAML: ${error instanceof Error ? error.message : String(error)}`)
  }
}

function numberOf(name: string, text: string | undefined): number {
  if (text === undefined || !/^\d{1,9}$/.test(text)) throw new Error(`${name} must be a whole number.`)
  return Number(text)
}

function show(diff: Version['diff']): void {
  const colour = process.stdout.isTTY === true && !process.env.NO_COLOR
  if (diff.length > 0) console.log(diffText(diff, { colour }))
}

function held({ version }: Version): string {
  return `Version ${version} holds from now on, everywhere within 10 s.`
}

function headline({ version, created_at, created_by, comment, rolled_back_to }: Version): string {
  const at = created_at === null ? '' : new Date(created_at * 1_000).toISOString()
  const by = created_by?.user_id ?? created_by?.key_id ?? ''
  const back = rolled_back_to === undefined ? '' : ` (back to ${rolled_back_to})`
  // What somebody wrote must not move the terminal's cursor.
  return `version ${version}${back}  ${at}  ${by}${comment === '' ? '' : `  ${JSON.stringify(comment)}`}`
}
