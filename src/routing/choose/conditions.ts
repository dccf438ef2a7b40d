/** The conditions that a target may have: each a row of the table. All that are given must hold. */
import type { RequestFacts } from '../../chat/ports.ts'
import type { Condition } from '../../contract/routing-config.ts'

type Holds = (facts: RequestFacts) => boolean

const oneOf =
  (fact: (facts: RequestFacts) => string | undefined) =>
  (names: readonly string[]): Holds => {
    const wanted = new Set(names)
    return (facts) => {
      const name = fact(facts)
      return name !== undefined && wanted.has(name)
    }
  }

/** Of what is configured a check, made once. What is not known of a request holds for none. */
const CONDITIONS: { [Name in keyof Condition]-?: (wanted: NonNullable<Condition[Name]>) => Holds } = {
  tenants: oneOf(({ tenantId }) => tenantId),
  users: oneOf(({ userId }) => userId),
  countries: oneOf(({ place }) => place?.country),
  continents: oneOf(({ place }) => place?.continent),
  prompt_chars:
    ({ min = 0, max = Number.POSITIVE_INFINITY }) =>
    ({ promptChars }) =>
      promptChars >= min && promptChars <= max,
  metadata: (wanted) => {
    const pairs = Object.entries(wanted)
    return ({ metadata }) => pairs.every(([name, value]) => Object.hasOwn(metadata, name) && metadata[name] === value)
  },
  needs:
    (wanted) =>
    ({ needs }) =>
      wanted.every((capability) => needs.has(capability)),
}

const ALWAYS: Holds = () => true

export function conditionHolds(condition: Condition | undefined): Holds {
  if (condition === undefined) return ALWAYS
  // Sound: the table has the names of a condition, and no others.
  const checks = (Object.keys(CONDITIONS) as (keyof Condition)[]).flatMap((name) => checkOf(name, condition[name]))
  return (facts) => checks.every((holds) => holds(facts))
}

function checkOf<Name extends keyof Condition>(name: Name, wanted: Condition[Name]): Holds[] {
  // TypeScript does not see that a row of the table takes what a condition has under the row's own name.
  const row = CONDITIONS[name] as (wanted: unknown) => Holds
  return wanted === undefined ? [] : [row(wanted)]
}
