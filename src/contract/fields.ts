/** JSON objects of which nothing is known yet. */

export type Fields = { [field: string]: unknown }

export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Those of a list that are objects; empty where it is no list. */
export function listOfFields(value: unknown): Fields[] {
  return Array.isArray(value) ? value.filter(isFields) : []
}
