/** The routing document in a file, YAML or JSON, as far as its shape can be checked before the Worker runs. */
import { readFileSync, statSync } from 'node:fs'
import { CONFIG_BYTES_MAX, type RoutingConfig, routingConfigSchema } from '../../src/contract/routing-config.ts'

export type ReadConfig = { kind: 'config'; config: RoutingConfig } | { kind: 'wrong'; message: string }

/** Comments and spaces are not counted in the document's own bound. */
const FILE_BYTES_MAX = 4 * CONFIG_BYTES_MAX
const PROBLEMS_SHOWN = 20

export async function readConfigFile(path: string): Promise<ReadConfig> {
  let value: unknown
  try {
    if (statSync(path).size > FILE_BYTES_MAX) return wrong(`${path} is larger than ${FILE_BYTES_MAX} bytes`)
    // Late: only who has a file needs it.
    const { parse } = await import('yaml')
    value = parse(readFileSync(path, 'utf8'), { maxAliasCount: 100 })
  } catch (error) {
    return wrong(`${path} cannot be read: ${error instanceof Error ? error.message : String(error)}`)
  }
  const parsed = routingConfigSchema.safeParse(value)
  if (parsed.success) return { kind: 'config', config: parsed.data }
  const problems = parsed.error.issues
    .slice(0, PROBLEMS_SHOWN)
    .map(({ path: at, message }) => `\n  ${at.join('.')} ${message}`)
  return wrong(`${path} is no configuration:${problems.join('')}`)
}

function wrong(message: string): ReadConfig {
  return { kind: 'wrong', message }
}
