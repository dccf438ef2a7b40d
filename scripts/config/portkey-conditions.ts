/** A query of Portkey's conditional router, as the metadata that a target of ours asks for. */
import { fieldsOf, textOf } from './imported.ts'

const PREFIX = 'metadata.'

/** Undefined where it asks for anything but equality of `metadata`. */
export function metadataConditions(query: unknown): Record<string, string> | undefined {
  const wanted: Record<string, string> = {}
  for (const [path, test] of Object.entries(fieldsOf(query))) {
    if (path === '$and' && Array.isArray(test)) {
      for (const part of test) {
        const conditions = metadataConditions(part)
        if (!conditions) return undefined
        Object.assign(wanted, conditions)
      }
      continue
    }
    const tests = Object.keys(fieldsOf(test))
    const value = textOf(test) ?? (tests.length === 1 ? textOf(fieldsOf(test).$eq) : undefined)
    if (!path.startsWith(PREFIX) || value === undefined) return undefined
    wanted[path.slice(PREFIX.length)] = value
  }
  return Object.keys(wanted).length > 0 ? wanted : undefined
}
