/**
 * llama.cpp behind the thinnest HTTP layer that batches: streams that arrive while others run join the next step. One JSON argument;
 * prints `answers on URL`. `POST /v1/completions` {prompt: token ids, max_tokens} streams one event a token; prompts go in whole.
 */
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'
import { openLlama } from './llama-cpp.ts'
import { HTTP_CONTEXT, HTTP_STREAMS } from './measured-engine.ts'

type Stream = { sequence: number; position: number; tokens: number[]; left: number; response: ServerResponse }

// Sound: http-servers.ts wrote it.
const { ggufPath, threads } = JSON.parse(process.argv[2] ?? '') as { ggufPath: string; threads: number }
const llama = await openLlama(ggufPath, threads)
const context = await llama.openContext({ sequences: HTTP_STREAMS, contextTokens: HTTP_CONTEXT })
const free = Array.from({ length: HTTP_STREAMS }, (_, sequence) => sequence)
const streams: Stream[] = []
let isRunning = false

async function run(): Promise<void> {
  if (isRunning) return
  isRunning = true
  while (streams.length > 0) {
    const batch = [...streams]
    const next = await context.decode(batch.map(({ sequence, position, tokens }) => ({ sequence, position, tokens })))
    for (const [index, stream] of batch.entries()) advance(stream, next[index] ?? 0)
  }
  isRunning = false
}

function advance(stream: Stream, token: number): void {
  stream.position += stream.tokens.length
  stream.tokens = [token]
  stream.response.write(`data: ${JSON.stringify({ choices: [{ index: 0, text: llama.detokenize([token]) }] })}\n\n`)
  if (--stream.left > 0) return
  streams.splice(streams.indexOf(stream), 1)
  context.cut(stream.sequence, 0)
  free.push(stream.sequence)
  stream.response.end('data: [DONE]\n\n')
}

const server = createServer(async (request, response) => {
  // Sound: http-load.ts is the only caller.
  const { prompt, max_tokens } = (await json(request)) as { prompt: number[]; max_tokens: number }
  const sequence = free.pop()
  if (sequence === undefined) return response.writeHead(503).end()
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  streams.push({ sequence, position: 0, tokens: prompt, left: max_tokens, response })
  await run()
})
server.listen(0, '127.0.0.1', () => {
  // Sound: a listening TCP server has an address.
  console.log(`answers on http://127.0.0.1:${(server.address() as AddressInfo).port}`)
})
