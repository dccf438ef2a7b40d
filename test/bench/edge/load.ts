/** One measurement: wrk sends the scenario's request over so many connections, always one at a time on each. */
import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type Cores, coreTime } from '../measure/cores.ts'
import { cpuMs, processTree, rssMib } from '../measure/process-tree.ts'
import type { Wrk } from '../peers/wrk.ts'
import { COUNTER, type Scenario } from './scenario.ts'

export type Sample = {
  requestsPerSecond: number
  p50Ms: number
  p99Ms: number
  /** User and system time of the server and its children. */
  cpuMsPerRequest: number
  rssMib: number
  /** Share of the load generator's core in use; near 1 the generator, not the server, was the limit. */
  loadCoreBusy: number
  /** Share of the server's core that other programs used meanwhile: noise. */
  strangersOnServerCore: number
}

export type Target = { pid: number; url: string; headers: Readonly<Record<string, string>> }

/** An answer that takes longer counts as failed. Generous: 64 callers wait in line for one core, on a machine that others use too. */
const ANSWER_WITHIN_SECONDS = 15

const run = promisify(execFile)

/** wrk builds the request once from these globals and calls `done` at the end; latencies and durations are microseconds. */
function script(scenario: Scenario, target: Target): string {
  const headers = { 'content-type': 'application/json', ...target.headers }
  return `wrk.method = "POST"
wrk.body = ${luaText(scenario.body)}
${Object.entries(headers)
  .map(([name, value]) => `wrk.headers[ ${luaText(name)} ] = ${luaText(value)}`)
  .join('\n')}
${scenario.body.includes(COUNTER) ? COUNTING : ''}
function done(summary, latency)
  local e = summary.errors
  print(string.format("RESULT %d %d %d %d %d", summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    e.connect + e.read + e.write + e.timeout + e.status))
end
`
}

/** Another number in each request. The threads of wrk are one. Begun at random, so that another run asks for something else. */
const COUNTING = `
math.randomseed(os.time())
local counter = math.random(1000000, 4000000)
local before, after = string.match(wrk.body, "^(.-)${COUNTER}(.*)$")
function request()
  counter = counter + 1
  return wrk.format(nil, nil, nil, before .. string.format("%07d", counter) .. after)
end`

/** A long bracket of Lua, which knows no escapes. As an index it needs spaces around it: `[[` would open another. */
function luaText(text: string): string {
  if (text.includes(']==]')) throw new Error('This text would end its own quotes.')
  return `[==[${text}]==]`
}

/** Throws when a single request failed: the speed of wrong answers is no figure. */
export async function load(options: {
  wrk: Wrk
  cores: Cores
  folder: string
  scenario: Scenario
  connections: number
  seconds: number
  target: Target
}): Promise<Sample> {
  const { wrk, cores, scenario, connections, seconds, target } = options
  const scriptFile = join(options.folder, `${scenario.name}.lua`)
  writeFileSync(scriptFile, script(scenario, target))

  const before = reading(cores, target.pid)
  const { stdout, stderr } = await run(
    'taskset',
    [
      '--cpu-list',
      String(cores.load),
      wrk.command,
      '-t1',
      `--timeout=${ANSWER_WITHIN_SECONDS}s`,
      `-c${connections}`,
      `-d${seconds}s`,
      '-s',
      scriptFile,
      target.url,
    ],
    { env: wrk.environment },
  )
  const after = reading(cores, target.pid)

  const [requests, durationUs, p50Us, p99Us, errors] = parseResult(stdout + stderr)
  if (errors > 0)
    throw new Error(`${errors} of ${requests} requests failed at ${scenario.name}, c=${connections}:\n${stdout}`)
  const wallMs = after.wallMs - before.wallMs
  const serverMs = after.serverMs - before.serverMs
  return {
    requestsPerSecond: requests / (durationUs / 1e6),
    p50Ms: p50Us / 1e3,
    p99Ms: p99Us / 1e3,
    cpuMsPerRequest: serverMs / requests,
    rssMib: rssMib(processTree(target.pid)),
    loadCoreBusy: (after.loadCoreMs - before.loadCoreMs) / wallMs,
    strangersOnServerCore: Math.max(0, (after.serverCoreMs - before.serverCoreMs - serverMs) / wallMs),
  }
}

function reading(cores: Cores, pid: number) {
  return {
    wallMs: performance.now(),
    serverMs: cpuMs(processTree(pid)),
    serverCoreMs: coreTime(cores.server).programs,
    loadCoreMs: coreTime(cores.load).busy,
  }
}

export type WrkResult = [requests: number, durationUs: number, p50Us: number, p99Us: number, errors: number]

export function parseResult(stdout: string): WrkResult {
  const numbers = /^RESULT (\d+) (\d+) (\d+) (\d+) (\d+)$/m.exec(stdout)?.slice(1).map(Number)
  const [requests, durationUs, p50Us, p99Us, errors] = numbers ?? []
  if (!requests || !durationUs || p50Us === undefined || p99Us === undefined || errors === undefined) {
    throw new Error(`wrk completed no request:\n${stdout}`)
  }
  return [requests, durationUs, p50Us, p99Us, errors]
}
