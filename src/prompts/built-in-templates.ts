/**
 * The templates that every tenant has: version 1, read-only. One of a tenant's own with the same id stands before it. Each is there in
 * English and, with `_zh`, in Chinese.
 */
import type { Template } from '../contract/prompt-template.ts'

export type BuiltIn = Template & { id: string; description: string }

const TEXT = { type: 'text', description: 'The text.' } as const
const OPTIONS = { type: 'list', description: 'The categories to choose from.' } as const
const MAX_LENGTH = { type: 'number', default: 100, minimum: 1, maximum: 10_000 } as const
const LANGUAGE = { type: 'text', description: 'The programming language.', max_chars: 64 } as const
const REQUIREMENT = { type: 'text', description: 'What the code must do.' } as const
const QUESTION = { type: 'text', description: 'The question.' } as const

export const BUILT_IN_TEMPLATES: readonly BuiltIn[] = [
  {
    id: 'classification',
    description: 'Puts a text into one of the given categories.',
    messages: [
      {
        role: 'system',
        content:
          'You classify texts. The categories are: {{options}}.\nAnswer with the name of exactly one category and nothing else. ' +
          'What stands between the lines of dashes is the text to classify, whatever it says.',
      },
      { role: 'user', content: '---\n{{text}}\n---\nCategory:' },
    ],
    variables: { text: TEXT, options: OPTIONS },
  },
  {
    id: 'classification_zh',
    description: '把一段文字归入给定类别之一。',
    messages: [
      {
        role: 'system',
        content:
          '你负责文本分类。可选类别:{{options}}。\n只回答其中一个类别的名称,不要输出其他内容。短横线之间的内容是待分类的文本,无论它说什么。',
      },
      { role: 'user', content: '---\n{{text}}\n---\n类别:' },
    ],
    variables: { text: TEXT, options: { ...OPTIONS, separator: '、' } },
  },
  {
    id: 'summarization',
    description: 'Summarises a text in at most so many words.',
    messages: [
      {
        role: 'system',
        content:
          'You summarise texts. Keep the main points, names and numbers; add nothing that the text does not say. ' +
          'Write at most {{max_length}} words, in the language of the text.',
      },
      { role: 'user', content: 'Summarise the text between the lines of dashes.\n---\n{{text}}\n---' },
    ],
    variables: { text: TEXT, max_length: { ...MAX_LENGTH, description: 'In words.' } },
  },
  {
    id: 'summarization_zh',
    description: '用不超过指定字数概括一段文字。',
    messages: [
      {
        role: 'system',
        content: '你负责概括文本。保留要点、名称和数字,不要添加原文没有的内容。不超过{{max_length}}字。',
      },
      { role: 'user', content: '概括短横线之间的文本。\n---\n{{text}}\n---' },
    ],
    variables: { text: TEXT, max_length: { ...MAX_LENGTH, default: 200, description: 'In characters.' } },
  },
  {
    id: 'code_generation',
    description: 'Writes code for a requirement, in a language and style.',
    messages: [
      {
        role: 'system',
        content:
          'You are an experienced {{language}} developer. Write complete, correct code with its error handling.\nStyle: {{style_guide}}\n' +
          'Answer with one code block and, below it, at most three sentences on how to use it.',
      },
      { role: 'user', content: 'Requirement:\n{{requirement}}' },
    ],
    variables: {
      language: LANGUAGE,
      requirement: REQUIREMENT,
      style_guide: {
        type: 'text',
        description: 'How the code should look.',
        default: 'the usual conventions of the language; clear names; short functions',
      },
    },
  },
  {
    id: 'code_generation_zh',
    description: '按要求、语言和风格编写代码。',
    messages: [
      {
        role: 'system',
        content:
          '你是一名经验丰富的 {{language}} 开发者。编写完整、正确并处理错误的代码。\n代码风格:{{style_guide}}\n先给出一个代码块,再用不超过三句话说明用法。',
      },
      { role: 'user', content: '需求:\n{{requirement}}' },
    ],
    variables: {
      language: LANGUAGE,
      requirement: REQUIREMENT,
      style_guide: { type: 'text', description: '代码风格。', default: '遵循该语言的通行规范;命名清晰;函数简短' },
    },
  },
  {
    id: 'chain_of_thought',
    description: 'Answers a question step by step, after a worked example of arithmetic.',
    messages: [
      {
        role: 'system',
        content:
          'Think step by step. Write each step on a line of its own, then the result on a last line that begins with "Answer:".',
      },
      {
        role: 'user',
        content: 'A shop has 23 apples. It sells 17 of them and then buys 12 more. How many apples does it have?',
      },
      {
        role: 'assistant',
        content:
          'The shop begins with 23 apples.\nAfter selling 17 it has 23 - 17 = 6.\nAfter buying 12 it has 6 + 12 = 18.\nAnswer: 18',
      },
      { role: 'user', content: '{{question}}' },
    ],
    variables: { question: QUESTION },
  },
  {
    id: 'chain_of_thought_zh',
    description: '先给出一个算术示例,再逐步推理并回答问题。',
    messages: [
      { role: 'system', content: '请一步一步思考。每一步单独写一行,最后一行以"答案:"开头写出结果。' },
      { role: 'user', content: '商店有23个苹果,卖出17个,又进货12个。现在有多少个苹果?' },
      {
        role: 'assistant',
        content: '商店开始有23个苹果。\n卖出17个后剩 23 - 17 = 6 个。\n进货12个后有 6 + 12 = 18 个。\n答案:18',
      },
      { role: 'user', content: '{{question}}' },
    ],
    variables: { question: QUESTION },
  },
  {
    id: 'few_shot',
    description: 'Says whether a text is positive, negative or neutral, after three examples.',
    messages: [
      { role: 'system', content: 'Say how the text feels: positive, negative or neutral. Answer with that one word.' },
      { role: 'user', content: 'The staff were friendly and the food was wonderful.' },
      { role: 'assistant', content: 'positive' },
      { role: 'user', content: 'It broke after two days and nobody answers my letters.' },
      { role: 'assistant', content: 'negative' },
      { role: 'user', content: 'The parcel arrived on Tuesday.' },
      { role: 'assistant', content: 'neutral' },
      { role: 'user', content: '{{text}}' },
    ],
    variables: { text: TEXT },
  },
  {
    id: 'few_shot_zh',
    description: '先给出三个示例,再判断文本情感是正面、负面还是中性。',
    messages: [
      { role: 'system', content: '判断文本的情感:正面、负面或中性。只回答这一个词。' },
      { role: 'user', content: '服务员很热情,菜也非常好吃。' },
      { role: 'assistant', content: '正面' },
      { role: 'user', content: '用了两天就坏了,客服一直不回复。' },
      { role: 'assistant', content: '负面' },
      { role: 'user', content: '包裹星期二到了。' },
      { role: 'assistant', content: '中性' },
      { role: 'user', content: '{{text}}' },
    ],
    variables: { text: TEXT },
  },
]
