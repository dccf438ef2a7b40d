/** A process of its own that wants the tiny model; prints the folder. */
import { ensureModel } from '../../../functions/inference/models/ensure-model.ts'
import { ENTRY } from './small-model.ts'

const result = await ensureModel({ name: ENTRY.name, catalogue: [ENTRY], pythons: [] })
console.log(result.ok ? result.folder : result.message)
process.exitCode = result.ok ? 0 : 1
