import { expect, test } from 'vitest'
import { createToolCallParser, type ToolCallEvent } from '../../../functions/inference/text/tool-calls.ts'

const CALL = (name: string, given: string) => `<tool_call>\n{"name": "${name}", "arguments": ${given}}\n</tool_call>`

/** What came, without how it was cut. */
function joined(pieces: readonly string[]) {
  const parser = createToolCallParser()
  const events: ToolCallEvent[] = [...pieces.flatMap((piece) => parser.push(piece)), ...parser.end()]
  const calls: { name: string; given: string }[] = []
  let text = ''
  for (const event of events) {
    if (event.type === 'text') text += event.text
    else if (event.type === 'call') {
      expect(event.index).toBe(calls.length)
      calls.push({ name: event.name, given: '' })
    } else {
      const call = calls[event.index]
      expect(call).toBeDefined()
      if (call) call.given += event.text
    }
    if (event.type !== 'call') expect(event.text).not.toBe('')
  }
  return { text, calls }
}

const ANSWERS: [string, ReturnType<typeof joined>][] = [
  ['Just words, a < b, <tool_cal and <tool>.\n', { text: 'Just words, a < b, <tool_cal and <tool>.\n', calls: [] }],
  [CALL('f', '{}'), { text: '', calls: [{ name: 'f', given: '{}' }] }],
  [
    `Let me see.\n\n${CALL('get', '{"q": "}{\\"</tool_call>\\\\", "n": {"a": [1, {}]}}')}\n${CALL('b-2', '{"x": []}')}\n`,
    {
      text: 'Let me see.',
      calls: [
        { name: 'get', given: '{"q": "}{\\"</tool_call>\\\\", "n": {"a": [1, {}]}}' },
        { name: 'b-2', given: '{"x": []}' },
      ],
    },
  ],
  [`${CALL('f', '{}')}\n done <tool_`, { text: 'done <tool_', calls: [{ name: 'f', given: '{}' }] }],
]

test.each(ANSWERS)('%j is read the same, however it is cut', (answer, expected) => {
  expect(joined([answer])).toEqual(expected)
  expect(joined(answer.split(''))).toEqual(expected)
  for (let first = 0; first <= answer.length; first++) {
    expect(joined([answer.slice(0, first), answer.slice(first)])).toEqual(expected)
    for (let second = first + 1; second < answer.length; second += 7) {
      expect(joined([answer.slice(0, first), answer.slice(first, second), answer.slice(second)])).toEqual(expected)
    }
  }
})

test('what is known is told at once: words, a name, arguments as they come, and never a part of a tag', () => {
  const parser = createToolCallParser()
  expect(parser.push('Hm <to')).toEqual([{ type: 'text', text: 'Hm' }])
  expect(parser.push('ol_call>\n{"name": "f", "argum')).toEqual([])
  expect(parser.push('ents": {"a"')).toEqual([
    { type: 'call', index: 0, name: 'f' },
    { type: 'arguments', index: 0, text: '{"a"' },
  ])
  expect(parser.push(': 1}}')).toEqual([{ type: 'arguments', index: 0, text: ': 1}' }])
  expect(parser.push('\n</tool_call>')).toEqual([])
  expect(parser.end()).toEqual([])
})

test('a call that is cut off leaves what came of its arguments', () => {
  expect(joined(['<tool_call>\n{"name": "f", "arguments": {"a": "b'])).toEqual({
    text: '',
    calls: [{ name: 'f', given: '{"a": "b' }],
  })
})
