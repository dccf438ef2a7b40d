/** Eight callers who each stream one answer: the tokens that a server gives away per second. */

import { coreTime } from '../measure/cores.ts'
import { cpuMs, processTree } from '../measure/process-tree.ts'
import { type HttpServer, startHttpServer } from './http-servers.ts'
import {
  type EngineName,
  type EngineSettings,
  HTTP_CELL,
  HTTP_PROMPT_TOKENS,
  HTTP_STREAMS,
  HTTP_TOKENS,
  promptTokens,
  tokensOf,
} from './measured-engine.ts'
import type { EngineSample } from './report.ts'

/** Starts the server, warms it up, and measures one round of streams. */
export async function measureHttp(
  name: EngineName,
  settings: EngineSettings,
  cores: readonly number[],
): Promise<EngineSample> {
  const server = await startHttpServer(name, settings, cores)
  try {
    await streamAll(server, 1)
    const before = reading(server, cores)
    const started = performance.now()
    await streamAll(server, 2)
    const ms = performance.now() - started
    const after = reading(server, cores)
    const cpu = after.serverMs - before.serverMs
    // The callers are this very process, on the same cores.
    const others = after.programsMs - before.programsMs - cpu - (after.ownMs - before.ownMs)
    return {
      tokensPerSecond: (tokensOf(HTTP_CELL) / ms) * 1_000,
      cpuMsPerToken: cpu / tokensOf(HTTP_CELL),
      strangers: Math.max(0, others / (ms * cores.length)),
    }
  } finally {
    await server.stop()
  }
}

/** @param round makes the prompts others than before, so that no cache of prompts helps */
async function streamAll({ url }: HttpServer, round: number): Promise<void> {
  const pool = promptTokens(HTTP_PROMPT_TOKENS * HTTP_STREAMS * 4)
  const streams = Array.from({ length: HTTP_STREAMS }, async (_, index) => {
    const start = (round * HTTP_STREAMS + index) * HTTP_PROMPT_TOKENS
    const prompt = pool.slice(start, start + HTTP_PROMPT_TOKENS)
    const response = await fetch(`${url}/v1/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        model: 'smollm2-135m-instruct',
        ...{ prompt, max_tokens: HTTP_TOKENS, temperature: 0, ignore_eos: true, stream: true },
      }),
    })
    const text = await response.text()
    const isWhole = text.endsWith('data: [DONE]\n\n')
    if (response.status !== 200 || !isWhole) throw new Error(`${url} answered ${response.status}: ${text.slice(-500)}`)
  })
  await Promise.all(streams)
}

function reading({ pid }: HttpServer, cores: readonly number[]) {
  return {
    programsMs: cores.reduce((sum, core) => sum + coreTime(core).programs, 0),
    serverMs: cpuMs(processTree(pid)),
    ownMs: process.cpuUsage().user / 1_000 + process.cpuUsage().system / 1_000,
  }
}
