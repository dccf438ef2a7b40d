/** How one word names a model on a command line: a name of the catalogue, a file of the Hub, or the path of a GGUF file or an exported folder. */
import { existsSync } from 'node:fs'
import { HUB_PREFIX } from './hub-file.ts'

export function modelSource(word: string): { name: string } | { hub: string } | { path: string } {
  if (word.startsWith(HUB_PREFIX)) return { hub: word }
  return word.includes('/') || word.endsWith('.gguf') || existsSync(word) ? { path: word } : { name: word }
}
