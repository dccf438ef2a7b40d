/** Nobody has a budget: everything is covered. */
import type { Budgets, Reservation } from '../chat/ports.ts'

const UNBOUNDED: Reservation = { cover: () => true, settle: () => undefined }

export const noBudgets: Budgets = { reserve: () => UNBOUNDED }
