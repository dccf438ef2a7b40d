/** The words of `npm run models -- quantize`. */
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { readBoundedText } from '../import/bounded-json.ts'
import { GgufError } from '../import/gguf-cursor.ts'
import { withProgress } from './progress-writer.ts'
import { quantiseModel } from './quantise-model.ts'
import { quantiseText } from './quantise-report.ts'

const TEXT_BYTES_MAX = 16 * 1_048_576
const OWN_TEXT = join(import.meta.dirname, 'english.txt')

export type QuantiseFlags = {
  bits?: string | undefined
  out?: string | undefined
  name?: string | undefined
  text?: string | undefined
  json?: boolean | undefined
}

/** @returns what to print, or what is wrong */
export async function quantiseCommand(
  source: string | undefined,
  flags: QuantiseFlags,
): Promise<{ ok: true; text: string } | { ok: false; message: string }> {
  const { out, name } = flags
  const bits = Number(flags.bits)
  if (source === undefined || out === undefined) return { ok: false, message: 'quantize needs a SOURCE and --out DIR.' }
  if (bits !== 4 && bits !== 8) return { ok: false, message: '--bits must be 4 or 8.' }
  const text = await readText(flags.text ?? OWN_TEXT)
  if (!text.ok) return text
  const threads = availableParallelism()
  const result = await withProgress(process.stderr, (onProgress) =>
    quantiseModel({ source, bits, out, name, threads, text: text.text, onProgress }),
  )
  if (!result.ok) return result
  return {
    ok: true,
    text: flags.json
      ? JSON.stringify(result.report)
      : `${quantiseText(result.report)}\n${out} can be served: npm run inference -- --model ${out}`,
  }
}

async function readText(path: string): Promise<{ ok: true; text: string } | { ok: false; message: string }> {
  try {
    const text = await readBoundedText(path, TEXT_BYTES_MAX)
    return text === null ? { ok: false, message: `There is no file ${path}.` } : { ok: true, text }
  } catch (error) {
    if (error instanceof GgufError)
      return { ok: false, message: `${path} cannot be scored: ${error.message.replace(/^its /, '')}` }
    throw error
  }
}
