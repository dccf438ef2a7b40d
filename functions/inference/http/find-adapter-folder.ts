/** Keeps whoever may load adapters from reading the rest of the disk: only what really lies below one folder is opened. */
import { realpath } from 'node:fs/promises'
import { join, resolve, sep } from 'node:path'
import { ADAPTER_CONFIG_FILE, ADAPTER_WEIGHTS_FILE } from '../adapters/read-adapter.ts'

/**
 * @param path relative to `root`, or absolute
 * @returns the adapter's real folder; null where it is not there, not below `root`, or leads out of it by a link. Which of these it is,
 * strangers need not know.
 */
export async function findAdapterFolder(root: string, path: string): Promise<string | null> {
  try {
    const inside = `${await realpath(root)}${sep}`
    const folder = await realpath(resolve(root, path))
    const files = [ADAPTER_CONFIG_FILE, ADAPTER_WEIGHTS_FILE].map((file) => realpath(join(folder, file)))
    const all = [folder, ...(await Promise.all(files))]
    return all.every((found) => found.startsWith(inside)) ? folder : null
  } catch {
    return null
  }
}
