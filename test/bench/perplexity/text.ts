/** The fixed text, and how its ids are recognised again. */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

export function englishText(): string {
  return readFileSync(join(import.meta.dirname, '../../../functions/inference/models/english.txt'), 'utf8')
}

/** SHA-256 of the ids in decimal, separated by commas: the same ids, or figures must not be compared. */
export function tokensSha256(tokens: readonly number[]): string {
  return createHash('sha256').update(tokens.join(',')).digest('hex')
}
