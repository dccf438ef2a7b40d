/** For vitest's globalSetup: SageMaker's double before a container that tells what it was told. */
import type { TestProject } from 'vitest/node'
import { FAULTS } from './faults.ts'
import { KEYS, REGION } from './keys.ts'
import type {} from './provided-sagemaker.ts'
import { type ContainerCall, sagemakerDouble } from './sagemaker-double.ts'
import { TOLD } from './told.ts'

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const double = await sagemakerDouble({ region: REGION, keys: KEYS, faults: FAULTS, partBytes: 7, container })
  project.provide('sagemaker', { url: double.url })
  return () => double.close()
}

/** Says the text of TOLD, then its call as JSON, a character an event. A `json` in the body is answered without a stream. */
async function container({ body, headers }: ContainerCall): Promise<Response> {
  const asked = JSON.parse(String(body))
  if (asked.json) return Response.json({ choices: [] })
  const told = [...TOLD, JSON.stringify({ headers, body: asked })]
  const head = { id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1_764_000_000, model: 'm-1' }
  const say = (choice: object) => ({ ...head, choices: [{ index: 0, delta: {}, finish_reason: null, ...choice }] })
  const events: object[] = [
    say({ delta: { role: 'assistant', content: '' } }),
    ...told.map((content) => say({ delta: { content } })),
    say({ finish_reason: 'stop' }),
    { ...head, choices: [], usage: { prompt_tokens: 5, completion_tokens: 2, total_tokens: 7 } },
  ]
  const text = `: waiting\n\n${events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join('')}data: [DONE]\n\n`
  return new Response(text, { headers: { 'content-type': 'text/event-stream; charset=utf-8' } })
}
