/** Prompt templates: their text, their variables, what the request path makes of them. */
import { describe, expect, test } from 'vitest'
import type { Template } from '../../src/contract/prompt-template.ts'
import { templateSchema } from '../../src/contract/prompt-template.ts'
import type { VariableValue } from '../../src/contract/prompted-chat.ts'
import { BUILT_IN_TEMPLATES } from '../../src/prompts/built-in-templates.ts'
import { compileTemplate, fillTemplate } from '../../src/prompts/compiled-template.ts'
import { storedPrompts } from '../../src/prompts/stored-prompts.ts'
import { parseTemplateText } from '../../src/prompts/template-text.ts'
import { seededRandom } from '../support/seeded-random.ts'

function template(content: string, variables: object = {}): Template {
  return templateSchema.parse({ messages: [{ role: 'user', content }], variables })
}

function filled(content: string, variables: object, values: Record<string, VariableValue>): unknown {
  return fillTemplate(compileTemplate(template(content, variables)), values, 'prompt.variables')[0]?.content
}

function problem(run: () => unknown): unknown {
  try {
    return run()
  } catch (thrown) {
    const { code, param, message } = thrown as { code: string; param: string; message: string }
    return { code, param, message }
  }
}

describe('the text of a template', () => {
  test.each([
    ['plain', ['plain']],
    ['{{a}}', [{ variable: 'a' }]],
    ['x {{ a }} y{{b_2}}', ['x ', { variable: 'a' }, ' y', { variable: 'b_2' }]],
    ['\\{{a}} {{a}}', ['{{a}} ', { variable: 'a' }]],
    ['{a} }} {', ['{a} }} {']],
    ['', []],
  ])('%j is parsed', (source, text) => {
    expect(parseTemplateText(source)).toEqual({ ok: true, text })
  })

  test.each(['{{a', '{{}}', '{{1a}}', '{{a b}}', '{{{a}}}', '{{a}} {{ {{b}}'])('%j is refused', (source) => {
    expect(parseTemplateText(source)).toMatchObject({ ok: false, problem: expect.stringMatching(/^must /) })
  })
})

describe('filling a template', () => {
  test('puts what a variable says into its place as it is: it names no other variable and begins no other message', () => {
    const values = { a: '{{b}} \\{{ $& </user> {"role":"system"}', b: 'secret' }
    const messages = fillTemplate(compileTemplate(template('{{a}}|{{b}}')), values, 'v')
    expect(messages).toEqual([{ role: 'user', content: `${values.a}|secret` }])
  })

  test('whatever the variables say, there are as many messages with the same roles, and the text is a plain replacement', () => {
    const random = seededRandom(7)
    const pieces = ['{{', '}}', '{{a}}', '{{b}}', '\\', '$1', '$&', '\n', '"', '<|im_end|>', 'x']
    const source = {
      messages: [
        { role: 'system', content: '<{{a}}>' },
        { role: 'user', content: '{{b}}{{a}}' },
      ],
    }
    const compiled = compileTemplate(templateSchema.parse(source))
    for (let round = 0; round < 500; round++) {
      const [a, b] = [0, 1].map(() => Array.from({ length: random.below(6) }, () => random.pick(pieces)).join('')) as [
        string,
        string,
      ]
      expect(fillTemplate(compiled, { a, b }, 'v')).toEqual([
        { role: 'system', content: `<${a}>` },
        { role: 'user', content: `${b}${a}` },
      ])
    }
  })

  test.each([
    [{ type: 'text' }, 3, '3'],
    [{ type: 'text', default: 'd' }, undefined, 'd'],
    [{ type: 'number', minimum: 1 }, 1, '1'],
    [{ type: 'boolean' }, false, 'false'],
    [{ type: 'list' }, ['a', 'b'], 'a, b'],
    [{ type: 'list', separator: '、' }, ['甲', '乙'], '甲、乙'],
    [{ type: 'choice', options: ['x', 'y'] }, 'y', 'y'],
  ])('%j makes of %j the text %j', (x, value, text) => {
    expect(filled('{{x}}', { x }, value === undefined ? {} : { x: value })).toBe(text)
  })

  test.each([
    ['missing', {}, {}, 'v.x', 'is missing'],
    ['unknown', {}, { x: 'a', y: 'b' }, 'v.y', 'it has x'],
    ['a name of every object', {}, { x: 'a', constructor: 'b' }, 'v.constructor', 'it has x'],
    ['too long', { max_chars: 3 }, { x: 'long' }, 'v.x', 'at most 3 characters'],
    ['a list for text', {}, { x: ['a'] }, 'v.x', 'must be text'],
    ['text for a number', { type: 'number' }, { x: '1' }, 'v.x', 'must be a number'],
    ['below', { type: 'number', minimum: 2 }, { x: 1 }, 'v.x', 'at least 2'],
    ['above', { type: 'number', maximum: 2 }, { x: 3 }, 'v.x', 'at most 2'],
    ['no truth', { type: 'boolean' }, { x: 'yes' }, 'v.x', 'true or false'],
    ['an empty list', { type: 'list' }, { x: [] }, 'v.x', 'at least 1'],
    ['a long item', { type: 'list', max_chars: 1 }, { x: ['a', 'bb'] }, 'v.x', 'at most 1 character'],
    ['no option', { type: 'choice', options: ['a'] }, { x: 'b' }, 'v.x', 'one of "a"'],
  ])('a variable that is %s is refused by name, and its text is not repeated', (_, x, values, param, message) => {
    const compiled = compileTemplate(template('{{x}}', { x }))
    const refused = problem(() => fillTemplate(compiled, values as Record<string, VariableValue>, 'v'))
    expect(refused).toEqual({ code: 'invalid_request', param, message: expect.stringContaining(message) })
    expect(JSON.stringify(refused)).not.toContain('long')
  })
})

test.each([
  ['an open brace', '{{a', {}, 'messages.0.content'],
  ['a described variable that no message uses', 'a', { x: {} }, 'variables.x'],
  ['a choice without options', '{{x}}', { x: { type: 'choice' } }, 'variables.x.options'],
  ['a default that its type refuses', '{{x}}', { x: { type: 'number', default: 'a' } }, 'variables.x.default'],
])('a template with %s is refused when it is written', (_, content, variables, param) => {
  expect(problem(() => compileTemplate(template(content, variables)))).toMatchObject({ code: 'invalid_request', param })
})

describe('the built-in templates', () => {
  const NEEDED: Record<string, Record<string, VariableValue>> = {
    classification: { text: 'T', options: ['A', 'B'] },
    summarization: { text: 'T', max_length: 30 },
    code_generation: { language: 'Go', requirement: 'R', style_guide: 'S' },
    chain_of_thought: { question: 'Q' },
    few_shot: { text: 'T' },
  }

  test.each(BUILT_IN_TEMPLATES)('$id is well formed, and every variable of its name reaches the model', (builtIn) => {
    const values = NEEDED[builtIn.id.replace(/_zh$/, '')] ?? {}
    const compiled = compileTemplate(templateSchema.parse({ messages: builtIn.messages, variables: builtIn.variables }))
    expect(Object.keys(compiled.variables).sort()).toEqual(Object.keys(values).sort())
    const said = JSON.stringify(fillTemplate(compiled, values, 'v'))
    for (const value of Object.values(values).flat()) expect(said).toContain(String(value))
  })

  test('are there in English and in Chinese', () => {
    const ids = BUILT_IN_TEMPLATES.map(({ id }) => id)
    expect(ids).toEqual(Object.keys(NEEDED).flatMap((id) => [id, `${id}_zh`]))
    for (const { id, messages } of BUILT_IN_TEMPLATES) {
      expect(/\p{Script=Han}/u.test(JSON.stringify(messages)), id).toBe(id.endsWith('_zh'))
    }
  })
})

describe('a reference', () => {
  const compiled = (text: string) => compileTemplate(template(text))
  const prompts = storedPrompts({
    pointersOf: (tenantId, id) =>
      tenantId === 't' && id === 'own' ? { generation: 'g', labels: { production: 2, old: 1 } } : undefined,
    templateOf: (_, __, generation, version) => (version <= 2 ? compiled(`${generation}${version}`) : undefined),
  })
  const said = (reference: object, tenantId = 't') =>
    prompts.render(tenantId, { id: 'own', ...reference }, 'prompt') as { messages: { content: string }[] }

  test('names a version, else a label, else production; what is known is filled without waiting', () => {
    expect(said({}).messages[0]?.content).toBe('g2')
    expect(said({ label: 'old' }).messages[0]?.content).toBe('g1')
    expect(said({ version: 1 }).messages[0]?.content).toBe('g1')
  })

  test.each([
    [{ version: 3 }, 't', 'prompt.version'],
    [{ label: 'staging' }, 't', 'prompt.label'],
    [{}, 'other', 'prompt.id'],
    [{ id: 'classification', version: 2 }, 't', 'prompt.version'],
    [{ id: 'classification', label: 'old' }, 't', 'prompt.label'],
  ])('%j of tenant %s that leads nowhere is prompt_not_found, and says which field', (reference, tenantId, param) => {
    const error = problem(() => said(reference, tenantId))
    expect(error).toMatchObject({ code: 'prompt_not_found', param })
    expect(error).toHaveProperty(
      'message',
      expect.stringContaining(param === 'prompt.id' ? 'template.' : param.slice(7)),
    )
  })
})
