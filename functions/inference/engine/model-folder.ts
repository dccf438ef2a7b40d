/** Reads the description of an imported model, and its size. */
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { CONFIG_FILE, type ModelConfig, modelConfigSchema, WEIGHTS_FILE } from '../models/model-config.ts'

/** @throws Error when the folder holds no model, or one written by another importer */
export function readModelConfig(folder: string): ModelConfig {
  const parsed = modelConfigSchema.safeParse(JSON.parse(readFileSync(join(folder, CONFIG_FILE), 'utf8')))
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  throw new Error(`${join(folder, CONFIG_FILE)}: ${issue?.path.join('.')}: ${issue?.message}. Import the model again.`)
}

export const weightsBytes = (folder: string): number => statSync(join(folder, WEIGHTS_FILE)).size
