/** Apart from the schemas of budgets: the request path needs no more of them. */

/** Period, unit, and the key where it is a key's: `day-tokens`, `month-cost-key_1`. */
export const BUDGET_ID = /^(day|month)-(tokens|cost)(?:-([A-Za-z0-9_.:-]{1,64}))?$/
