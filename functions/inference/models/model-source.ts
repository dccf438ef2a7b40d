/** How one word names a model on a command line: a name of the catalogue, or the path of a GGUF file. */
import { existsSync } from 'node:fs'

export function modelSource(word: string): { name: string } | { path: string } {
  return word.includes('/') || word.endsWith('.gguf') || existsSync(word) ? { path: word } : { name: word }
}
