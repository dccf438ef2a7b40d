/**
 * From a schema's issues to one error that names the field and says what is allowed. Never quotes a value: it may be large, or
 * somebody's text. zod/mini carries no sentences of its own (they would be a third of the bundle), so they are made here.
 */
import type * as z from 'zod/mini'
import { AppError, type FieldProblem } from '../errors.ts'

type Issue = z.core.$ZodIssue

/** Names of fields come from the caller too. */
const NAME_CHARS_MAX = 64
const NAMES_MAX = 5

/** Tells of the first issue: the others often follow from it. `body` is what the schema refused. */
export function invalidRequest(issues: readonly Issue[], body: unknown): AppError {
  const [first] = issues
  if (!first) throw new Error('A schema refused a body without an issue.')
  const { param, detail } = fieldProblem(first, body)
  return new AppError(
    'invalid_request',
    `${param === '' ? 'The body' : param} ${detail}.`,
    param === '' ? {} : { param },
  )
}

/** The same of any issue: the field's path, empty for the body itself, and the rest of a sentence about it. */
export function fieldProblem(found: Issue, body: unknown): FieldProblem {
  const issue = deepest(found)
  // Of unknown fields the first is the one that is wrong; the schema tells where it stands.
  const path = issue.code === 'unrecognized_keys' ? [...issue.path, ...issue.keys.slice(0, 1)] : issue.path
  const param = path.map((part) => clipped(String(part))).join('.')
  const missing = isMissing(body, path) ? 'is missing; it ' : ''
  return { param, detail: `${missing}${requirement(issue)}` }
}

function isMissing(body: unknown, path: Issue['path']): boolean {
  let value = body
  for (const part of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return true
    value = value[part as keyof typeof value] // Sound: it is there.
  }
  return value === undefined
}

/**
 * Of a union's branches the one that the caller meant: a value of the right type that is out of bounds says more than one of another
 * type, and one that is wrong deep inside more than one that is wrong at once.
 */
function deepest(issue: Issue): Issue {
  if (issue.code !== 'invalid_union') return issue
  const best = issue.errors
    .flatMap((branch) => branch.slice(0, 1))
    .filter((inner) => closeness(inner) > 0)
    .reduce<Issue | undefined>((best, inner) => (best && closeness(best) >= closeness(inner) ? best : inner), undefined)
  return best ? deepest({ ...best, path: [...issue.path, ...best.path] }) : issue
}

/** No path is as deep as the weight of the right type. */
function closeness(issue: Issue): number {
  return issue.path.length + (issue.code === 'invalid_type' ? 0 : 1_000)
}

function requirement(issue: Issue): string {
  switch (issue.code) {
    case 'invalid_type':
      return `must be ${TYPES[issue.expected] ?? issue.expected}`
    case 'invalid_value':
      return `must be ${issue.values.length === 1 ? '' : 'one of '}${issue.values.map((value) => JSON.stringify(value)).join(', ')}`
    case 'too_big':
      if (issue.exact) return `must have exactly ${counted(issue.maximum, issue.origin)}`
      return bounded(issue.origin, issue.inclusive === false ? 'less than' : 'at most', issue.maximum)
    case 'too_small':
      if (issue.exact) return `must have exactly ${counted(issue.minimum, issue.origin)}`
      return bounded(issue.origin, issue.inclusive === false ? 'more than' : 'at least', issue.minimum)
    case 'unrecognized_keys':
      return `is not known here${issue.keys.length > 1 ? `, nor ${names(issue.keys.slice(1))}` : ''}`
    case 'invalid_union':
      return `must be ${[...new Set(issue.errors.flatMap((branch) => branch.slice(0, 1).map(requirementOfBranch)))].join(' or ')}`
    case 'invalid_key': {
      const [inner] = issue.issues
      return inner ? requirement(inner) : 'is not allowed'
    }
    // Ours alone: schemas in src/contract give their formats a sentence that begins with "must".
    default:
      return issue.message.startsWith('must ') ? issue.message : 'is not allowed'
  }
}

function requirementOfBranch(issue: Issue): string {
  return requirement(issue).replace(/^must be /, '')
}

function bounded(origin: string, relation: string, limit: number | bigint): string {
  return origin in UNITS ? `must have ${relation} ${counted(limit, origin)}` : `must be ${relation} ${limit}`
}

function counted(count: number | bigint, origin: string): string {
  const unit = UNITS[origin] ?? 'part'
  return count === 1 ? `1 ${unit}` : `${count} ${unit}s`
}

const TYPES: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  object: 'an object',
  array: 'a list',
  null: 'null',
}

const UNITS: Readonly<Record<string, string>> = { string: 'character', array: 'item' }

function names(keys: readonly string[]): string {
  const some = keys.slice(0, NAMES_MAX).map((key) => JSON.stringify(clipped(key)))
  return some.join(', ') + (keys.length > NAMES_MAX ? ` and ${keys.length - NAMES_MAX} more` : '')
}

function clipped(name: string): string {
  return name.length > NAME_CHARS_MAX ? `${name.slice(0, NAME_CHARS_MAX)}...` : name
}
