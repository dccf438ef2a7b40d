/** Walks the texts of a message's content: a string, or parts with a text, or parts with content of their own. */

/** The fields of a part that hold text, by whatever name its type has. */
const TEXT_FIELDS = ['text', 'refusal', 'thinking'] as const

/** In their order. The same object when `map` changes nothing. */
export function mapTexts(content: unknown, map: (text: string) => string): unknown {
  if (typeof content === 'string') return map(content)
  if (Array.isArray(content)) {
    let changed = false
    const parts = content.map((part) => {
      const mapped = typeof part === 'string' ? part : mapPart(part, map)
      changed ||= mapped !== part
      return mapped
    })
    return changed ? parts : content
  }
  return content
}

function mapPart(part: unknown, map: (text: string) => string): unknown {
  if (typeof part !== 'object' || part === null) return part
  let mapped = part as { [field: string]: unknown } // Sound: it is an object, and only read by field.
  for (const field of TEXT_FIELDS) {
    const text = mapped[field]
    if (typeof text !== 'string') continue
    const allowed = map(text)
    if (allowed !== text) mapped = { ...mapped, [field]: allowed }
  }
  const inner = mapTexts(mapped.content, map)
  return inner === mapped.content ? mapped : { ...mapped, content: inner }
}
