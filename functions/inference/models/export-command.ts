/** The words of `npm run models -- export`. */
import { exportModel } from './export-model.ts'
import { withProgress } from './progress-writer.ts'

/** @returns what to print, or what is wrong */
export async function exportCommand(
  folder: string | undefined,
  flags: { out?: string | undefined; name?: string | undefined },
): Promise<{ ok: true; text: string } | { ok: false; message: string }> {
  const { out, name } = flags
  if (folder === undefined || out === undefined) return { ok: false, message: 'export needs a folder and --out DIR.' }
  const result = await withProgress(process.stderr, (onProgress) => exportModel({ folder, out, name, onProgress }))
  if (!result.ok) return result
  return { ok: true, text: `${result.config.name} is ready in ${out}. Serve it: npm run inference -- --model ${out}` }
}
