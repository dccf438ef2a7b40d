/** Waits for a condition that another process brings about; for state inside one process a test passes a clock instead. */
import { setTimeout as pause } from 'node:timers/promises'

export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  withinMs: number,
): Promise<void> {
  const deadline = performance.now() + withinMs
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`not within ${withinMs} ms: ${what}`)
    await pause(20)
  }
}
