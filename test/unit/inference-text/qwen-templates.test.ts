/** The chat templates of Qwen, with tools and thinking, render as they do in transformers (fixtures/make_prompts.py). */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type ChatMessage, compileChatTemplate } from '../../../functions/inference/text/chat-template.ts'

type Case = {
  template: string
  title: string
  messages: ChatMessage[]
  tools?: unknown[]
  add_generation_prompt: boolean
  prompt: string
}

const FOLDER = join(import.meta.dirname, 'fixtures')
const { cases }: { cases: Case[] } = JSON.parse(readFileSync(join(FOLDER, 'expected-prompts.json'), 'utf8'))

test.each(cases)('$template: $title', ({ template, messages, tools, add_generation_prompt, prompt }) => {
  const source = readFileSync(join(FOLDER, template), 'utf8')
  const compiled = compileChatTemplate(source, { bosToken: '', eosToken: '<|im_end|>' })
  if (!compiled.ok) throw new Error(compiled.message)
  const options = { addGenerationPrompt: add_generation_prompt, ...(tools ? { tools } : {}) }
  expect(compiled.template.render(messages, options)).toEqual({ ok: true, prompt })
})
