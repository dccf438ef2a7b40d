/** Everybody may enter. */
import type { Admission, Admitted } from '../chat/ports.ts'
import type { RequestEntry, RequestLimits } from '../http/ports.ts'

const ADMITTED: Admitted = { leave: () => undefined }
const ENTERED: RequestEntry = { refund: () => undefined }

export const noLimits: Admission = { enter: () => ADMITTED }

export const noRequestLimits: RequestLimits = {
  enter: () => ENTERED,
  enterEndUser: () => ENTERED,
  standing: () => [],
}
