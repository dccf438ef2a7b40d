import { expect, test } from 'vitest'
import { compileChatTemplate } from '../../../functions/inference/text/chat-template.ts'

const SOURCE =
  "{{ bos_token }}{% for message in messages %}<{{ message['role'] }}>{{ message['content'] }}</>{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"
const TOKENS = { bosToken: '<s>', eosToken: '</s>' }

function compile(source: string) {
  const compiled = compileChatTemplate(source, TOKENS)
  if (!compiled.ok) throw new Error(compiled.message)
  return compiled.template
}

test('messages become the prompt that the template describes', () => {
  const messages = [
    { role: 'developer', content: 'Be brief.' },
    {
      role: 'user',
      content: [
        { type: 'text', text: 'a' },
        { type: 'text', text: 'b' },
      ],
    },
  ]
  expect(compile(SOURCE).render(messages)).toEqual({
    ok: true,
    prompt: '<s><system>Be brief.</><user>ab</><assistant>',
  })
})

test('an unfinished assistant turn can be continued', () => {
  const messages = [{ role: 'assistant', content: 'Once' }]
  expect(compile(SOURCE).render(messages, { addGenerationPrompt: false })).toEqual({
    ok: true,
    prompt: '<s><assistant>Once</>',
  })
})

test.each(['robot', 'constructor', ''])('the role %j is an error that names its field', (role) => {
  const result = compile(SOURCE).render([
    { role: 'user', content: 'x' },
    { role, content: 'x' },
  ])
  expect(result).toMatchObject({ ok: false, param: 'messages[1].role' })
})

test('a picture for a model of text is an error that names its part', () => {
  const content = [
    { type: 'text', text: 'x' },
    { type: 'image_url', image_url: { url: 'https://example.com/a.png' } },
  ]
  expect(compile(SOURCE).render([{ role: 'user', content }])).toMatchObject({
    ok: false,
    param: 'messages[0].content[1]',
  })
})

test('what a template raises is an error value with its words', () => {
  const template = compile("{{ raise_exception('roles must alternate') }}")
  const result = template.render([{ role: 'user', content: 'x' }])
  expect(result).toMatchObject({ ok: false, param: 'messages' })
  expect(result.ok ? '' : result.message).toContain('roles must alternate')
})

test('a template that does not compile, and none, are error values', () => {
  expect(compileChatTemplate('{% for %}', TOKENS)).toMatchObject({ ok: false })
  expect(compileChatTemplate(null, TOKENS)).toMatchObject({ ok: false })
})

test("a template cannot change the caller's messages", () => {
  const messages = Object.freeze([Object.freeze({ role: 'user', content: 'x' })])
  expect(compile(SOURCE).render(messages)).toMatchObject({ ok: true })
})

test('a message that is to be continued ends the prompt, with its spaces, unless the template trims', () => {
  const messages = [
    { role: 'user', content: 'a' },
    { role: 'assistant', content: 'b ' },
  ]
  const options = { addGenerationPrompt: false, continueFinalMessage: true }
  expect(compile(SOURCE).render(messages, options)).toEqual({ ok: true, prompt: '<s><user>a</><assistant>b ' })
  const trims = SOURCE.replace("message['content']", "message['content'] | trim")
  expect(compile(trims).render(messages, options)).toEqual({ ok: true, prompt: '<s><user>a</><assistant>b' })
  expect(compile('{{ bos_token }}').render(messages, options)).toMatchObject({
    ok: false,
    param: 'continue_final_message',
  })
})
