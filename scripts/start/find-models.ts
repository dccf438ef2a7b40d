/** Which models `npm start` serves, by its options: ours, an upstream's, a file's, or what an earlier start left. */
import type { RoutingConfig } from '../../src/contract/routing-config.ts'
import { findUpstream } from './find-upstream.ts'
import type { StartOptions } from './options.ts'
import { readConfigFile } from './read-config-file.ts'
import { UPSTREAM_SECRET_NAME, withUpstream } from './with-upstream.ts'

export type StartModels = {
  /** What a request that names none is given: PERIGEE_DEFAULT_MODEL. */
  default: string
  /** Secrets of the Worker beyond those of the environment. */
  secrets: Readonly<Record<string, string>>
  /** What the banner shows first. */
  aliases: readonly string[]
  notes: readonly string[]
  comment: string
  /** What is to hold, given what does. */
  edit(held: { version: number; config: RoutingConfig }): RoutingConfig | undefined
}

export type FoundModels = { kind: 'models'; models: StartModels } | { kind: 'wrong'; message: string }

export async function findModels(
  options: StartOptions,
  environment: Readonly<NodeJS.ProcessEnv>,
): Promise<FoundModels> {
  // The upstream first: whether it answers is known in seconds, and a model may take minutes.
  const upstream = options.upstream && (await findUpstream(options.upstream, environment))
  if (upstream?.kind === 'wrong') return upstream
  const file = options.configFile === undefined ? undefined : await readConfigFile(options.configFile)
  if (file?.kind === 'wrong') return file
  const own = options.inference ? await ownModel(options.model) : undefined
  if (own?.kind === 'wrong') return own

  const nothing: RoutingConfig = { deployments: {}, models: {} }
  const models: StartModels = {
    default: options.model,
    secrets: {},
    aliases: own ? [own.name] : [],
    notes: [],
    comment: '',
    edit: () => undefined,
    ...(own ? { default: own.name } : {}),
  }
  if (upstream) {
    const [first = options.model] = upstream.aliases
    return {
      kind: 'models',
      models: {
        ...models,
        ...(own ? {} : { default: first }),
        secrets: upstream.key === undefined ? {} : { [UPSTREAM_SECRET_NAME]: upstream.key },
        aliases: [...upstream.aliases, ...models.aliases],
        notes: upstream.notes,
        comment: 'npm start --upstream',
        // Version 0 is the model of our own inference server, which does not run.
        edit: ({ version, config }) => withUpstream(version === 0 && !own ? nothing : config, upstream.upstream),
      },
    }
  }
  if (file) {
    const aliases = Object.keys(file.config.models)
    return {
      kind: 'models',
      models: {
        ...models,
        ...(own ? {} : { default: aliases[0] ?? options.model }),
        aliases,
        comment: 'npm start --config',
        edit: () => file.config,
      },
    }
  }
  return { kind: 'models', models }
}

/** Fetches and imports it where it is not there yet. */
async function ownModel(word: string): Promise<{ kind: 'own'; name: string } | { kind: 'wrong'; message: string }> {
  // Late: none of it is wanted with --no-inference.
  const [{ ensureModel }, { modelSource }, { progressWriter }] = await Promise.all([
    import('../../functions/inference/models/ensure-model.ts'),
    import('../../functions/inference/models/model-source.ts'),
    import('../../functions/inference/models/progress-writer.ts'),
  ])
  const progress = progressWriter(process.stderr)
  const model = await ensureModel({ ...modelSource(word), onProgress: progress.show })
  progress.end()
  return model.ok ? { kind: 'own', name: model.config.name } : { kind: 'wrong', message: model.message }
}
