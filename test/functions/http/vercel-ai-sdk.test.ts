/**
 * The Vercel AI SDK against the real server, through its provider for servers that speak OpenAI's API. A group of tests per thing that
 * it can do, all with `chat` and `complete` below.
 */
import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import {
  APICallError,
  cosineSimilarity,
  embed,
  embedMany,
  generateText,
  jsonSchema,
  type LanguageModel,
  Output,
  streamText,
  type ToolSet,
  tool,
} from 'ai'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { DEFAULT_EMBEDDING_MODEL } from '../../../functions/inference/models/embedding-catalogue.ts'
import { MODEL, type RealServer, startRealServer } from './real-server.ts'

let server: RealServer
let perigee: ReturnType<typeof createOpenAICompatible>
let chat: LanguageModel
beforeAll(async () => {
  server = await startRealServer(['--embedding-model', 'all-minilm-l6-v2', '--embedding-start', 'at-start'])
  if (!(await server.startEmbeddings())) throw new Error(server.log.join('\n'))
  perigee = createOpenAICompatible({
    ...{ name: 'perigee', baseURL: `${server.url}/v1`, includeUsage: true },
    supportsStructuredOutputs: true,
  })
  chat = perigee(MODEL)
})
afterAll(() => server.stop(0))

/** What every call here has: the likeliest answer, and no second try that would hide a first failure. */
const COMMON = { temperature: 0, maxRetries: 0 }
const PROMPT = 'What is 7 + 5?'

describe('chat', () => {
  test('is answered, with usage and the reason of its end', async () => {
    const { text, finishReason, usage } = await generateText({ ...COMMON, model: chat, prompt: PROMPT })
    expect(text).toContain('12')
    expect(finishReason).toBe('stop')
    expect(usage.inputTokens).toBeGreaterThan(10)
    expect(usage.outputTokens).toBeGreaterThan(1)
    const cut = await generateText({ ...COMMON, model: chat, prompt: PROMPT, maxOutputTokens: 3 })
    expect(cut).toMatchObject({ finishReason: 'length', usage: { outputTokens: 3 } })
  })

  test('streams the same, in more than one piece', async () => {
    const whole = await generateText({ ...COMMON, model: chat, prompt: PROMPT })
    const answer = streamText({ ...COMMON, model: chat, prompt: PROMPT })
    const pieces: string[] = []
    for await (const piece of answer.textStream) pieces.push(piece)
    expect(pieces.length).toBeGreaterThan(2)
    expect(pieces.join('')).toBe(whole.text)
    expect(await answer.finishReason).toBe('stop')
    expect((await answer.usage).outputTokens).toBe(whole.usage.outputTokens)
  })

  test('with a system turn, earlier turns and a stop string is understood', async () => {
    const { text } = await generateText({
      ...{ ...COMMON, model: chat, stopSequences: ['\n'], seed: 1 },
      instructions: 'You answer in one word.',
      messages: [
        { role: 'user', content: 'Name a colour.' },
        { role: 'assistant', content: 'Red' },
        { role: 'user', content: 'Name another one.' },
      ],
    })
    expect(text).not.toBe('')
    expect(text).not.toContain('\n')
  })

  test('that the server refuses is an error with its status and words', async () => {
    const refused = generateText({ ...COMMON, model: perigee('gpt-5'), prompt: PROMPT })
    await expect(refused).rejects.toThrow(APICallError)
    await expect(refused).rejects.toMatchObject({ statusCode: 404, message: expect.stringContaining(MODEL) })
  })
})

describe('structure', () => {
  const schema = jsonSchema<{ sum: number; isEven: boolean }>({
    type: 'object',
    properties: { sum: { type: 'integer' }, isEven: { type: 'boolean' } },
    required: ['sum', 'isEven'],
    additionalProperties: false,
  })

  test('an object fits its schema', async () => {
    const output = Output.object({ schema })
    const { output: given } = await generateText({ ...COMMON, model: chat, prompt: PROMPT, output })
    expect(Object.keys(given).sort()).toEqual(['isEven', 'sum'])
    expect(Number.isInteger(given.sum)).toBe(true)
    expect(typeof given.isEven).toBe('boolean')
  })

  test('a tool is called with input that fits, whole and streamed', async () => {
    const asked = {
      ...COMMON,
      ...{ model: chat, prompt: 'Add 7 and 5.', toolChoice: 'required' as const },
      // Sound: the package's own type, which does not fit itself under exactOptionalPropertyTypes.
      tools: { report: tool({ description: 'Reports a sum.', inputSchema: schema }) } as ToolSet,
    }
    const { toolCalls, finishReason } = await generateText(asked)
    expect(finishReason).toBe('tool-calls')
    expect(toolCalls.length).toBeGreaterThan(0)
    for (const call of toolCalls) expect(call).toMatchObject({ toolName: 'report', input: { sum: expect.any(Number) } })
    const streamed = streamText(asked)
    expect((await streamed.toolCalls).map(({ input }) => input)).toEqual(toolCalls.map(({ input }) => input))
  })
})

describe('embeddings', () => {
  const values = ['A man is eating food.', 'A man is eating a piece of bread.', 'The girl is carrying a baby.']

  test('of many texts come in their order, and say how near they are', async () => {
    const model = perigee.embeddingModel(DEFAULT_EMBEDDING_MODEL)
    const { embeddings, usage } = await embedMany({ model, values, maxRetries: 0 })
    const [eating = [], bread = [], baby = []] = embeddings
    expect(cosineSimilarity(eating, bread)).toBeCloseTo(0.7535, 3)
    expect(cosineSimilarity(eating, baby)).toBeCloseTo(-0.1055, 3)
    expect(usage.tokens).toBe(28)
    const single = await embed({ model, value: 'A man is eating food.', maxRetries: 0 })
    expect(single.embedding).toEqual(eating)
  })
})
