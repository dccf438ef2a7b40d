/** The texts that a message brings into the prompt, in its order: not images and sounds, whose length says nothing of tokens. */
import type { Message } from '../contract/chat-completion.ts'

export function textsOf(message: Message): string[] {
  const texts: string[] = []
  const { content, tool_calls: calls } = message
  if (typeof content === 'string') texts.push(content)
  else if (Array.isArray(content)) for (const { text } of content) if (typeof text === 'string') texts.push(text)
  if (Array.isArray(calls)) {
    for (const call of calls) {
      for (const text of [call?.function?.name, call?.function?.arguments])
        if (typeof text === 'string') texts.push(text)
    }
  }
  return texts
}
