/**
 * People who talk to assistants, each from a stream of chance of their own, so that every router meets the same people: a system prompt
 * of one of a few assistants, turns with pauses, and another conversation when one is over.
 */
import type { Message } from '../../../src/contract/chat-completion.ts'
import { type Random, seededRandom } from '../seeded-random.ts'

const ASSISTANTS = 8
const VOCABULARY = 20_000

/** A token is a word. */
export const textOf = (tokens: readonly number[]) => tokens.map((token) => ` w${token.toString(36)}`).join('')

export type SimulatedTurn = {
  messages: Message[]
  prompt: readonly number[]
  answer: readonly number[]
  pauseMs: number
}

export type SimulatedPerson = {
  /** The next turn, after so long a pause. */
  next(): SimulatedTurn
}

/** @param pauseMs the mean between an answer and the next message */
export function simulatedPerson(seed: number, pauseMs: number): SimulatedPerson {
  const random = seededRandom(seed)
  let turnsLeft = 0
  let tokens: number[] = []
  let messages: Message[] = []

  function begin(): void {
    turnsLeft = 3 + random.below(10)
    // Half of all talk to the first, and the rest to the others.
    const assistant = random.chance(0.5) ? 0 : random.below(ASSISTANTS)
    tokens = words(seededRandom(1_000 + assistant), 60 + 50 * assistant)
    messages = [{ role: 'system', content: textOf(tokens) }]
  }
  return {
    next() {
      if (turnsLeft-- <= 0) begin()
      const message = words(random, 20 + random.below(80))
      const answer = words(random, 20 + random.below(80))
      messages = [...messages, { role: 'user', content: textOf(message) }]
      const prompt = [...tokens, ...message]
      const turn = { messages, prompt, answer, pauseMs: -Math.log(1 - random.next()) * pauseMs }
      tokens = [...prompt, ...answer]
      messages = [...messages, { role: 'assistant', content: textOf(answer) }]
      return turn
    },
  }
}

function words(random: Random, count: number): number[] {
  return Array.from({ length: count }, () => random.below(VOCABULARY))
}
