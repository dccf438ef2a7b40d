/**
 * The upstream of bench:edge as Node can do it, where no C compiler is found: the same answers as upstream.c, about six times
 * the CPU time. It shares the load generator's core, so fast gateways look slower than they are.
 * usage: node upstream.ts PORT EVENTS PACE_US LONG_EVENTS
 */
import { createServer, type ServerResponse } from 'node:http'

const [port = 0, eventCount = 64, paceUs = 2_000, longEvents = 1_000] = process.argv.slice(2).map(Number)
const common = { id: 'chatcmpl-bench', created: 1_700_000_000, model: 'bench' }
const usageOf = (tokens: number) => ({ prompt_tokens: 250, completion_tokens: tokens, total_tokens: 250 + tokens })
const wordsOf = (count: number) =>
  Array.from({ length: count }, (_, index) => `token${String(index).padStart(4, '0')} `)

const completion = JSON.stringify({
  ...common,
  object: 'chat.completion',
  choices: [{ index: 0, message: { role: 'assistant', content: wordsOf(eventCount).join('') }, finish_reason: 'stop' }],
  usage: usageOf(eventCount),
})

function eventsOf(body: string): string[] {
  const ids = body.includes('"return_token_ids":true')
  const words = wordsOf(body.includes('"user":"long"') ? longEvents : eventCount)
  // Our inference server's way for who does not stream: the first alone, the others in one.
  const from = words.map((_, index) => index)
  const groups = body.includes('"gather_ms"') ? [from.slice(0, 1), from.slice(1)] : from.map((index) => [index])
  const chunk = (fields: object) =>
    `data: ${JSON.stringify({ ...common, object: 'chat.completion.chunk', ...fields })}\n\n`
  return [
    ...groups.map((indexes) => {
      const content = indexes.map((index) => words[index]).join('')
      const isFirst = indexes[0] === 0
      return chunk({
        ...(ids && isFirst ? { prompt_token_ids: [1, 2, 3, 4] } : {}),
        choices: [
          {
            index: 0,
            delta: isFirst ? { role: 'assistant', content } : { content },
            finish_reason: null,
            ...(ids ? { token_ids: indexes.map((index) => 1_000 + index) } : {}),
          },
        ],
      })
    }),
    chunk({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] }),
    ...(body.includes('"include_usage":true') ? [chunk({ choices: [], usage: usageOf(words.length) })] : []),
    'data: [DONE]\n\n',
  ]
}

function pace(response: ServerResponse, events: readonly string[]): void {
  let next = 0
  const timer = setInterval(() => {
    const event = events[next++]
    if (event !== undefined && !response.destroyed) return void response.write(event)
    clearInterval(timer)
    response.end()
  }, paceUs / 1_000)
}

const server = createServer(async (request, response) => {
  let body = ''
  for await (const piece of request) body += piece
  if (!body.includes('"stream":true')) {
    response.setHeader('content-type', 'application/json')
    response.end(completion)
    return
  }
  response.setHeader('content-type', 'text/event-stream')
  if (body.includes('"user":"paced"')) pace(response, eventsOf(body))
  else response.end(eventsOf(body).join(''))
})
server.listen(port, '127.0.0.1', () => {
  const address = server.address()
  console.log(`listening ${typeof address === 'object' ? address?.port : port}`)
})
