/** The words of `npm run models -- prune`. */
import { cacheDirectory } from './cache-directory.ts'
import { pruneImports } from './prune-imports.ts'

/** @returns what to print, or what is wrong */
export async function pruneCommand(flags: {
  'dry-run'?: boolean | undefined
}): Promise<{ ok: true; text: string } | { ok: false; message: string }> {
  const isDryRun = flags['dry-run'] === true
  const { folder, removed, failed } = await pruneImports(cacheDirectory(process.env), { isDryRun })
  const bytes = (count: number) => `${count.toLocaleString('en')} bytes`
  const all = removed.reduce((sum, entry) => sum + entry.bytes, 0)
  const verb = isDryRun ? 'would be removed' : 'removed'
  const lines = [
    ...removed.map((entry) => `${entry.name}  ${bytes(entry.bytes)}`),
    removed.length === 0
      ? `There is nothing to remove: no folder in ${folder} was made by an older importer.`
      : `${removed.length} ${removed.length === 1 ? 'folder' : 'folders'} ${verb}, ${bytes(all)}`,
  ]
  if (failed.length === 0) return { ok: true, text: lines.join('\n') }
  const faults = failed.map(({ name, reason }) => `${name} cannot be removed: ${reason}`)
  return { ok: false, message: [...(removed.length > 0 ? lines : []), ...faults].join('\n') }
}
