/** One `npm start` per state folder: two would write one key file and one set of conversations. */
import { join } from 'node:path'
import { withFileLock } from '../../functions/inference/models/file-lock.ts'

export const LOCK_FILE = 'start.lock'

export type Held<Result> = { kind: 'done'; result: Result } | { kind: 'refused'; message: string }

class InUse extends Error {}

/** Runs `task` while the folder is ours. A lock whose process is gone is taken over; one that is held is a refusal at once. */
export async function withStateLock<Result>(stateDir: string, task: () => Promise<Result>): Promise<Held<Result>> {
  const path = join(stateDir, LOCK_FILE)
  const refuse = (pid: number) => {
    throw new InUse(
      `Another npm start (process ${pid}) uses ${stateDir}. Stop it, or choose another folder: npm start -- --state-dir DIR`,
    )
  }
  try {
    return { kind: 'done', result: await withFileLock(path, task, refuse) }
  } catch (thrown) {
    if (thrown instanceof InUse) return { kind: 'refused', message: thrown.message }
    throw thrown
  }
}
