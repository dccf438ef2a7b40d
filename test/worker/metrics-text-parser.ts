/** A strict reader of Prometheus' text exposition format 0.0.4, for tests: throws at the first line that breaks the format's rules. */

export type PrometheusSample = { name: string; labels: Record<string, string>; value: number }
export type PrometheusFamily = { type: string; help: string; samples: PrometheusSample[] }

const NAME = '[a-zA-Z_:][a-zA-Z0-9_:]*'
const LABEL = '[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\\\\n]|\\\\["\\\\n])*"'
const HELP = new RegExp(`^# HELP (${NAME}) (.+)$`)
const TYPE = new RegExp(`^# TYPE (${NAME}) (counter|gauge|histogram|summary|untyped)$`)
const SAMPLE = new RegExp(
  `^(${NAME})(?:\\{(${LABEL}(?:,${LABEL})*)\\})? (-?(?:\\d+(?:\\.\\d+)?(?:e[+-]?\\d+)?|Inf)|NaN)$`,
)

/** Families by name. Every sample belongs to the family whose HELP and TYPE stand right above it. */
export function parsePrometheus(text: string): Map<string, PrometheusFamily> {
  if (!text.endsWith('\n')) throw new Error('The last line must end with a line feed')
  const families = new Map<string, PrometheusFamily>()
  const seen = new Set<string>()
  let help: { name: string; text: string } | undefined
  let current: { name: string; family: PrometheusFamily } | undefined
  for (const line of text.slice(0, -1).split('\n')) {
    const isHelp = HELP.exec(line)
    if (isHelp) {
      help = { name: isHelp[1] ?? '', text: isHelp[2] ?? '' }
      continue
    }
    const isType = TYPE.exec(line)
    if (isType) {
      const [, name = '', type = ''] = isType
      if (help?.name !== name) throw new Error(`No HELP before ${line}`)
      if (families.has(name)) throw new Error(`${name} appears twice`)
      current = { name, family: { type, help: help.text, samples: [] } }
      families.set(name, current.family)
      continue
    }
    const isSample = SAMPLE.exec(line)
    if (!isSample || !current) throw new Error(`Not a line of the format: ${line}`)
    const [, name = '', labelText = '', value = ''] = isSample
    const suffixes = current.family.type === 'histogram' ? ['_bucket', '_sum', '_count'] : ['']
    if (!suffixes.some((suffix) => name === current?.name + suffix))
      throw new Error(`${name} is not of ${current.name}`)
    const labels = labelsOf(labelText)
    const key = `${name}${JSON.stringify(Object.entries(labels).sort())}`
    if (seen.has(key)) throw new Error(`The same series twice: ${line}`)
    seen.add(key)
    current.family.samples.push({ name, labels, value: Number(value.replace('Inf', 'Infinity')) })
  }
  for (const [name, family] of families) if (family.type === 'histogram') checkHistogram(name, family.samples)
  return families
}

function labelsOf(text: string): Record<string, string> {
  const labels: Record<string, string> = {}
  for (const [pair] of text.matchAll(new RegExp(LABEL, 'g'))) {
    const [name = '', ...rest] = pair.split('=')
    if (name in labels) throw new Error(`The label ${name} twice`)
    labels[name] = rest
      .join('=')
      .slice(1, -1)
      .replace(/\\(.)/g, (_, char: string) => (char === 'n' ? '\n' : char))
  }
  return labels
}

/** Buckets in rising order of `le`, counts that never fall, +Inf last and equal to the count, and a sum. */
function checkHistogram(name: string, samples: PrometheusSample[]): void {
  const series = Map.groupBy(samples, ({ labels: { le: _, ...labels } }) => JSON.stringify(labels))
  for (const [labels, ofSeries] of series) {
    const buckets = ofSeries.filter((sample) => sample.name === `${name}_bucket`)
    const bounds = buckets.map(({ labels: { le = '' } }) => Number(le.replace('Inf', 'Infinity')))
    const rising = (numbers: number[], strictly: boolean) =>
      numbers.every((number, index) => {
        const before = numbers[index - 1] ?? Number.NEGATIVE_INFINITY
        return strictly ? number > before : number >= before
      })
    const counts = buckets.map(({ value }) => value)
    const total = ofSeries.find((sample) => sample.name === `${name}_count`)?.value
    if (!rising(bounds, true)) throw new Error(`Buckets out of order in ${name}${labels}`)
    if (!rising(counts, false)) throw new Error(`Bucket counts fall in ${name}${labels}`)
    if (bounds.at(-1) !== Number.POSITIVE_INFINITY || counts.at(-1) !== total) {
      throw new Error(`The +Inf bucket is not the count in ${name}${labels}`)
    }
    if (!ofSeries.some((sample) => sample.name === `${name}_sum`)) throw new Error(`No sum in ${name}${labels}`)
  }
}
