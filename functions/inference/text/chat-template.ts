/** Messages to a prompt, by the model's own chat template (Jinja, compiled once). */
import { Template } from '@huggingface/jinja'
import type { Shield } from './shield-special-tokens.ts'

export type ChatMessage = {
  role: string
  /** Text, or OpenAI's content parts, of which only those of type text can be rendered. */
  content?: string | readonly { type: string; [field: string]: unknown }[] | null | undefined
  [field: string]: unknown
}

export type RenderResult = { ok: true; prompt: string } | { ok: false; message: string; param: string }

export type ChatTemplate = {
  /**
   * The prompt, special tokens included by name. `addGenerationPrompt` ends it with the head of the assistant's turn, for which it should be
   * given unless the last message is to be continued (`continueFinalMessage`): then the prompt ends where that message does. Errors name the field of the request that is wrong.
   */
  render(
    messages: readonly ChatMessage[],
    options?: { addGenerationPrompt?: boolean; continueFinalMessage?: boolean; tools?: readonly unknown[] },
  ): RenderResult
}

/** OpenAI's roles, and the name each has in templates, which know nothing of the two newer or older ones. */
const TEMPLATE_ROLES: Record<string, string> = {
  system: 'system',
  developer: 'system',
  user: 'user',
  assistant: 'assistant',
  tool: 'tool',
  function: 'tool',
}

/**
 * Compiles a template. A model without one, or with one that does not compile, is an error value: it can still complete text.
 * @param tokens the text of the tokens that begin and end a document, which some templates write themselves.
 * @param shield marks the names of special tokens in messages and tools, so that only the template's own are encoded as such.
 */
export function compileChatTemplate(
  source: string | null,
  tokens: { bosToken: string; eosToken: string },
  shield: Shield = (value) => value,
): { ok: true; template: ChatTemplate } | { ok: false; message: string } {
  if (source === null) return { ok: false, message: 'This model has no chat template; it completes text only.' }
  let template: Template
  try {
    template = new Template(source)
  } catch (error) {
    return { ok: false, message: `The model's chat template does not compile: ${reasonOf(error)}` }
  }
  return {
    ok: true,
    template: {
      render(messages, options = {}) {
        const plain: Record<string, unknown>[] = []
        for (const [index, message] of messages.entries()) {
          const converted = convert(message, `messages[${index}]`)
          if (!converted.ok) return converted
          plain.push(shield(converted.message))
        }
        const last = plain.at(-1)
        if (options.continueFinalMessage === true && last !== undefined) last.content += OPEN_END
        try {
          const prompt = template.render({
            messages: plain,
            add_generation_prompt: options.addGenerationPrompt ?? true,
            bos_token: tokens.bosToken,
            eos_token: tokens.eosToken,
            ...(options.tools ? { tools: shield(options.tools) } : {}),
          })
          return options.continueFinalMessage === true ? cutAtOpenEnd(prompt) : { ok: true, prompt }
        } catch (error) {
          // Templates refuse what the model was not trained on (two user turns in a row, say) by raising.
          return {
            ok: false,
            message: `The model's chat template refuses these messages: ${reasonOf(error)}`,
            param: 'messages',
          }
        }
      },
    },
  }
}

/**
 * Marks where a message ends that is to be continued: a noncharacter of Unicode, and a space that shows whether the template trims messages,
 * as transformers' `continue_final_message` does it.
 */
const OPEN_END_MARK = '\uFDD1'
const OPEN_END = `${OPEN_END_MARK} `

function cutAtOpenEnd(prompt: string): RenderResult {
  const end = prompt.lastIndexOf(OPEN_END_MARK)
  if (end < 0) {
    const message = "The model's chat template does not show the last message as it is, so it cannot be continued."
    return { ok: false, message, param: 'continue_final_message' }
  }
  const text = prompt.slice(0, end)
  return { ok: true, prompt: prompt.startsWith(OPEN_END, end) ? text : text.trimEnd() }
}

type Converted = { ok: true; message: Record<string, unknown> } | { ok: false; message: string; param: string }

function convert(message: ChatMessage, param: string): Converted {
  // Not `TEMPLATE_ROLES[role]` alone: "constructor" is no role.
  const role = Object.hasOwn(TEMPLATE_ROLES, message.role) ? TEMPLATE_ROLES[message.role] : undefined
  if (role === undefined) {
    const known = Object.keys(TEMPLATE_ROLES).join(', ')
    return { ok: false, message: `${message.role} is no role; the roles are ${known}.`, param: `${param}.role` }
  }
  const { content } = message
  if (content === undefined || content === null || typeof content === 'string') {
    return { ok: true, message: { ...message, role, content: content ?? '' } }
  }
  let text = ''
  for (const [index, part] of content.entries()) {
    if (part.type !== 'text' || typeof part.text !== 'string') {
      const message = `This model reads text only, and a content part is of type ${part.type}.`
      return { ok: false, message, param: `${param}.content[${index}]` }
    }
    text += part.text
  }
  return { ok: true, message: { ...message, role, content: text } }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
