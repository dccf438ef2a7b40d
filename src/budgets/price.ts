/** What tokens cost. All in whole numbers: prices in micro-units a million tokens (pico-units a token), costs in nano-units. */
import type { Usage } from '../contract/chat-completion.ts'

/** Micro-units of the installation's currency for a million tokens: 150000 is 0.15 a million. */
export type Price = {
  model: string
  version: number
  input: number
  /** Of prompt tokens that the model's server had in its cache. */
  cachedInput: number
  output: number
}

/** By the alias that callers use. A model without a price costs nothing. */
export type Prices = ReadonlyMap<string, Price>

/** Times the highest price that src/contract/budgets.ts lets in it stays below 2^53. */
const TOKENS_PRICED_MAX = 8_000_000
const PICO_PER_NANO = 1_000

/** Nano-units, rounded up. Never falls when a count rises. */
export function costNano(
  price: Price | undefined,
  promptTokens: number,
  completionTokens: number,
  cachedTokens = 0,
): number {
  if (!price) return 0
  const cached = Math.min(cachedTokens, promptTokens)
  return (
    part(promptTokens - cached, price.input) + part(cached, price.cachedInput) + part(completionTokens, price.output)
  )
}

function part(tokens: number, microPerMillion: number): number {
  return Math.ceil((Math.min(tokens, TOKENS_PRICED_MAX) * microPerMillion) / PICO_PER_NANO)
}

export function costOfUsage(price: Price | undefined, usage: Usage): number {
  const cached = usage.prompt_tokens_details?.cached_tokens ?? 0
  return costNano(price, usage.prompt_tokens, usage.completion_tokens, cached)
}
