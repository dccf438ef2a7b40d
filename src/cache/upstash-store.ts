/** Redis over HTTPS at Upstash, which all places share. */
import { upstashCommand } from '../upstash-command.ts'
import type { AnswerStore } from './answer-store.ts'

const PREFIX = 'perigee:answer:'

export function upstashStore(options: { url: string; token: string }): AnswerStore {
  const command = upstashCommand(options)
  return {
    name: 'upstash',
    async get(key) {
      const text = await command('GET', PREFIX + key)
      return typeof text === 'string' ? text : undefined
    },
    async put(key, text, seconds) {
      await command('SET', PREFIX + key, text, 'EX', seconds)
    },
  }
}
