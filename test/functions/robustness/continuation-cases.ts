/** What is interrupted: an answer in words, and one whose text is a tool call's arguments. */
export type ContinuationCase = { name: string; body: { max_tokens: number } & Record<string, unknown> }

const WEATHER = {
  type: 'function',
  function: {
    name: 'get_weather',
    description: 'The weather of a place.',
    parameters: {
      type: 'object',
      properties: {
        place: { type: 'string', maxLength: 40 },
        days: { type: 'array', items: { type: 'integer' }, minItems: 6, maxItems: 12 },
        unit: { enum: ['celsius', 'fahrenheit'] },
        note: { type: 'string', maxLength: 80 },
      },
      required: ['place', 'days', 'unit', 'note'],
      additionalProperties: false,
    },
  },
}

/** What is nested, chosen from, of a pattern and of several kinds, so that the way to the end is long and changes with what is drawn. */
const BOOKING = {
  type: 'function',
  function: {
    name: 'book_journey',
    description: 'Books a journey.',
    parameters: {
      type: 'object',
      properties: {
        code: { type: 'string', pattern: '^[A-Z]{2}-[0-9]{4}$' },
        traveller: {
          type: 'object',
          properties: {
            name: { type: 'string', minLength: 2, maxLength: 30 },
            born: { type: 'integer', minimum: 1900, maximum: 2026 },
            meals: { type: 'array', items: { enum: ['none', 'plain', 'vegan "raw"'] }, minItems: 1, maxItems: 3 },
          },
          required: ['name', 'born', 'meals'],
          additionalProperties: false,
        },
        legs: {
          type: 'array',
          minItems: 2,
          maxItems: 5,
          items: {
            type: 'object',
            properties: {
              from: { type: 'string', maxLength: 16 },
              to: { type: 'string', maxLength: 16 },
              by: { enum: ['train', 'bus', 'ferry'] },
              seat: { anyOf: [{ type: 'null' }, { type: 'integer', minimum: 1, maximum: 120 }] },
            },
            required: ['from', 'to', 'by'],
            additionalProperties: false,
          },
        },
      },
      required: ['code', 'traveller', 'legs'],
      additionalProperties: false,
    },
  },
}

const weather = { tools: [WEATHER], tool_choice: 'required' }
const WEATHER_QUESTION = [{ role: 'user', content: 'What will the weather be in Oslo this week?' }]

/** Tokens of the calls are so few that the way to the end is taken within them. */
export const CONTINUATION_CASES: readonly ContinuationCase[] = [
  {
    name: 'words',
    body: {
      ...{ temperature: 0.8, seed: 20, max_tokens: 120 },
      messages: [{ role: 'user', content: 'Tell me how bread is baked.' }],
    },
  },
  {
    name: "a tool call's arguments",
    body: { temperature: 0.8, seed: 21, max_tokens: 200, ...weather, messages: WEATHER_QUESTION },
  },
  {
    name: 'the same arguments, another seed and limit',
    body: { temperature: 1, seed: 33, max_tokens: 150, ...weather, messages: WEATHER_QUESTION },
  },
  {
    name: 'nested arguments',
    body: {
      ...{ temperature: 0.8, seed: 22, max_tokens: 220, tools: [BOOKING], tool_choice: 'required' },
      messages: [{ role: 'user', content: 'Book me a train from Oslo to Bergen and the ferry on to Stavanger.' }],
    },
  },
]
