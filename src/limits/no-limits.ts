/** Everybody may enter. */
import type { Admission, Admitted } from '../chat/ports.ts'

const ADMITTED: Admitted = { leave: () => undefined }

export const noLimits: Admission = { enter: () => ADMITTED }
