/** What is interrupted: an answer in words, and one whose text is a tool call's arguments. */
export type ContinuationCase = { name: string; body: object }

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
    body: {
      ...{ temperature: 0.8, seed: 21, max_tokens: 200, tools: [WEATHER], tool_choice: 'required' },
      messages: [{ role: 'user', content: 'What will the weather be in Oslo this week?' }],
    },
  },
]
