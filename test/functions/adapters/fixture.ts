/** The real adapter of test/fixtures/lora-sentiment, and another that is made up. */
import { cpSync, mkdtempSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { writeSyntheticAdapter } from './synthetic-adapter.ts'

export const SENTIMENT_FOLDER = join(import.meta.dirname, '../../fixtures/lora-sentiment')

export type Expected = {
  token_ids: { positive: number; negative: number }
  rows: {
    text: string
    want: 'positive' | 'negative'
    first_token_logits: { positive: number; negative: number }
    base_first_token_logits: { positive: number; negative: number }
  }[]
}

export const EXPECTED = JSON.parse(readFileSync(join(SENTIMENT_FOLDER, 'expected.json'), 'utf8')) as Expected

export const sentimentQuestion = (text: string) => `Sentiment: ${text}`

/** A fresh folder with the adapters `sentiment` (q and v, 8 ranks) and `other` (k and down, 20 ranks: two chunks), and `broken` and `dora`, which cannot be used. */
export function adaptersFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'perigee-adapters-'))
  cpSync(SENTIMENT_FOLDER, join(folder, 'sentiment'), { recursive: true })
  writeSyntheticAdapter(join(folder, 'other'), {
    ...{ rank: 20, layers: 30, seed: 7, size: 0.03, dtype: 'BF16' },
    modules: { 'self_attn.k_proj': [192, 576], 'mlp.down_proj': [576, 1_536] },
  })
  cpSync(join(folder, 'sentiment'), join(folder, 'broken'), { recursive: true })
  truncateSync(join(folder, 'broken/adapter_model.safetensors'), 1_000_000)
  cpSync(join(folder, 'sentiment'), join(folder, 'dora'), { recursive: true })
  const config = join(folder, 'dora/adapter_config.json')
  writeFileSync(config, readFileSync(config, 'utf8').replace('"use_dora": false', '"use_dora": true'))
  return folder
}
