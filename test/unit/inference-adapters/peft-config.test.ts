import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parsePeftConfig } from '../../../functions/inference/adapters/peft-config.ts'

const text = readFileSync(join(import.meta.dirname, '../../fixtures/lora-sentiment/adapter_config.json'), 'utf8')
const changed = (change: object) => JSON.stringify({ ...JSON.parse(text), ...change })

test('what PEFT writes for a plain LoRA is understood, and its scale is alpha / r, or alpha / sqrt(r) for rsLoRA', () => {
  expect(parsePeftConfig(text)).toEqual({ rank: 8, scale: 4, baseModel: 'HuggingFaceTB/SmolLM2-135M-Instruct' })
  expect(parsePeftConfig(changed({ r: 16, use_rslora: true })).scale).toBe(8)
  expect(parsePeftConfig('{"peft_type":"LORA","r":2,"lora_alpha":2}')).toEqual({ rank: 2, scale: 1, baseModel: null })
})

describe('what would change the answer and is not understood is refused by name', () => {
  test.each([
    { use_dora: true },
    { bias: 'all' },
    { lora_bias: true },
    { modules_to_save: ['lm_head'] },
    { rank_pattern: { q_proj: 4 } },
    { alpha_pattern: { q_proj: 4 } },
    { fan_in_fan_out: true },
    { layer_replication: [[0, 4]] },
    { trainable_token_indices: [1] },
    { target_parameters: ['x'] },
    { a_switch_of_tomorrow: true },
    { peft_type: 'LOHA' },
    { task_type: 'SEQ_CLS' },
    { r: 0 },
    { r: 513 },
    { r: 2.5 },
    { lora_alpha: null },
    { use_rslora: 'yes' },
  ])('%j', (change) => {
    expect(() => parsePeftConfig(changed(change))).toThrow(Object.keys(change)[0])
  })

  test('a rank beyond the largest is told with the largest, and that one is taken', () => {
    expect(() => parsePeftConfig(changed({ r: 600 }))).toThrow(
      'r: the rank is more than 512, the most that is supported',
    )
    expect(() => parsePeftConfig(changed({ r: 'x' }))).toThrow('r: must be a whole number from 1 to 512')
    expect(parsePeftConfig(changed({ r: 512 })).rank).toBe(512)
  })

  test('and so is what is no configuration', () => {
    for (const wrong of ['', '{', '[]', 'null', '7']) expect(() => parsePeftConfig(wrong)).toThrow()
  })
})
