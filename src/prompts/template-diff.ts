/** What changed between two versions, as a unified diff of a plain text form. `diff` (jsdiff) is the long-kept library for it. */
import type { PromptVersionRecord } from '../http/ports.ts'

/** Loaded when first needed: no chat request needs it. */
export async function templateDiff(id: string, from: PromptVersionRecord, to: PromptVersionRecord): Promise<string> {
  const { createTwoFilesPatch } = await import('diff')
  const name = (record: PromptVersionRecord) => `${id}@${record.version}`
  if (templateText(from) === templateText(to)) return ''
  return createTwoFilesPatch(name(from), name(to), templateText(from), templateText(to), '', '', {
    context: 3,
    headerOptions: { includeIndex: false, includeUnderline: false, includeFileHeaders: true },
  })
}

function templateText({ template: { messages, variables } }: PromptVersionRecord): string {
  const turns = messages.map(({ role, content }) => `[${role}]\n${content}\n`)
  // In the order of names: moving a line is no change.
  const described = Object.keys(variables)
    .sort()
    .map((name) => `{{${name}}} ${JSON.stringify(variables[name])}\n`)
  return [...turns, ...described].join('\n')
}
