/** What a bench leaves behind: one JSON object, printed as the last line and kept under test/bench/results/. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Machine, thisMachine } from './machine.ts'

/** `figures` are medians with their units in the names; `ratios` are ours over another's, 1 meaning equal. */
export type Outcome = {
  name: string
  machine: Machine
  date: string
  figures: Record<string, unknown>
  ratios: Record<string, unknown>
}

const RESULTS_FOLDER = join(import.meta.dirname, '../results')

/** With `save` it replaces results/NAME.json; with `json` it prints one last line for programs. */
export function conclude(
  name: string,
  measured: { figures: Record<string, unknown>; ratios: Record<string, unknown> },
  options: { json: boolean; save: boolean },
): Outcome {
  const outcome: Outcome = { name, machine: thisMachine(), date: new Date().toISOString().slice(0, 10), ...measured }
  if (options.save) {
    const file = join(RESULTS_FOLDER, `${name}.json`)
    mkdirSync(RESULTS_FOLDER, { recursive: true })
    writeFileSync(file, `${JSON.stringify(outcome, null, 2)}\n`)
    console.log(`Saved test/bench/results/${name}.json`)
  }
  if (options.json) console.log(JSON.stringify(outcome))
  return outcome
}
