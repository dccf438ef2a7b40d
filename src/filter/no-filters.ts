/** No tenant has rules: every text passes as it is. */
import type { Filters } from '../chat/ports.ts'

export const noFilters: Filters = { of: () => undefined }
