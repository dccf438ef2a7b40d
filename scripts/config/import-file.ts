/** `npm run config -- import`: another gateway's file, whichever it is, as ours, and what a person must know of it. */
import { parse, stringify } from 'yaml'
import { diffPrintable } from './diff-text.ts'
import { importLitellm } from './import-litellm.ts'
import { importPortkey } from './import-portkey.ts'
import { type Imported, isFields } from './imported.ts'

export type ImportedFile = {
  /** Of our file, YAML. Undefined: no model could be carried over. */
  text: string | undefined
  /** For the terminal. */
  report: readonly string[]
}

/** Throws an Error with a sentence for a text that is neither. `alias`: of a file that names no model. */
export function importText(text: string, alias: string): ImportedFile {
  const document: unknown = parse(text, { maxAliasCount: 100 })
  if (!isFields(document)) throw new Error('It is neither a LiteLLM configuration nor one of Portkey.')
  if (Object.hasOwn(document, 'model_list')) return reported(importLitellm(document))
  const isPortkey = ['targets', 'strategy', 'provider', 'virtual_key'].some((field) => Object.hasOwn(document, field))
  if (!isPortkey)
    throw new Error(
      'It is neither a LiteLLM configuration (no model_list) nor one of Portkey (no targets, no provider).',
    )
  return reported(importPortkey(document, alias))
}

function reported({ config, secrets, notes }: Imported): ImportedFile {
  const models = Object.keys(config.models)
  const deployments = Object.keys(config.deployments).length
  return {
    text: models.length > 0 ? stringify(config) : undefined,
    report: [
      `${models.length} models, ${deployments} deployments: ${models.map(diffPrintable).join(', ') || 'none'}`,
      ...(secrets.length > 0
        ? [
            '',
            'Secrets that it needs (`npm start` takes them from its environment; a Worker: wrangler secret put NAME):',
          ]
        : []),
      ...secrets.map(({ secret, from }) => `  ${secret}   ${diffPrintable(from)}`),
      '',
      notes.length > 0 ? 'Not carried over:' : 'Everything was carried over.',
      ...notes.map(({ field, why }) => `  ${diffPrintable(field)}   ${diffPrintable(why)}`),
    ],
  }
}
