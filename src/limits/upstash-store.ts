/**
 * The store over Upstash Redis. Loaded when it is first asked (src/limits/late-store.ts): most installations never do.
 * @upstash/ratelimit counts before it looks, so what was refused is given back; by itself it would also let everybody in after
 * five seconds of silence (`timeout`), which is the opposite of our policy.
 */
import { Ratelimit } from '@upstash/ratelimit'
import { type UpstashCommand, upstashCommand } from '../upstash-command.ts'
import { type LimitStore, type WindowCounter, windowStartOf } from './stores.ts'

const PREFIX = 'perigee:limits'

/** KEYS: the hash of holders. ARGV: holder, running, want, amount, now, until. A field is `places:until`. */
const HOLD = `
local others, amount, now = 0, tonumber(ARGV[4]), tonumber(ARGV[5])
local fields = redis.call('HGETALL', KEYS[1])
for i = 1, #fields, 2 do
  local places, till = string.match(fields[i + 1], '^(%d+):(%d+)$')
  if tonumber(till) <= now then
    redis.call('HDEL', KEYS[1], fields[i])
  elseif fields[i] ~= ARGV[1] then
    others = others + tonumber(places)
  end
end
local places = math.max(tonumber(ARGV[2]), math.min(tonumber(ARGV[3]), math.max(0, amount - others)))
if places > 0 then
  redis.call('HSET', KEYS[1], ARGV[1], places .. ':' .. ARGV[6])
  redis.call('PEXPIRE', KEYS[1], math.max(1, tonumber(ARGV[6]) - now))
else
  redis.call('HDEL', KEYS[1], ARGV[1])
end
return places`

/** Limiters differ by amount and window alone; tenants share a few. */
const LIMITERS_MAX = 1_000

export function upstashStore(options: { url: string; token: string; timeoutMs: number }): LimitStore {
  const { url, token, timeoutMs } = options
  const command = upstashCommand({ url, token, signal: () => AbortSignal.timeout(timeoutMs) })
  const redis = scriptsOnly(command)
  const limiters = new Map<string, Ratelimit>()

  function limiterOf({ amount, windowMs }: WindowCounter): Ratelimit {
    const key = `${amount}/${windowMs}`
    const known = limiters.get(key)
    if (known) return known
    if (limiters.size >= LIMITERS_MAX) limiters.clear()
    const made = new Ratelimit({
      redis,
      limiter: Ratelimit.fixedWindow(amount, `${windowMs} ms`),
      prefix: PREFIX,
      timeout: 0,
      ephemeralCache: false,
      enableTelemetry: false,
    })
    limiters.set(key, made)
    return made
  }

  /** Counts `amount`, below zero gives it back. The library takes its window from the clock at this very moment. */
  async function count(counter: WindowCounter, windowStartMs: number, amount: number) {
    if (windowStartOf(counter.windowMs, Date.now()) !== windowStartMs) throw new Error('The window has ended.')
    return limiterOf(counter).limit(`${counter.owner}:${counter.name}`, { rate: amount })
  }

  return {
    async take(counter, windowStartMs, { need, want, spent }) {
      const first = await count(counter, windowStartMs, spent + want)
      if (first.success || want === 0) return { granted: want, remaining: first.remaining }
      // Too much. What is left is only known when it is given back.
      const { remaining } = await count(counter, windowStartMs, -want)
      if (remaining < Math.max(1, need)) return { granted: 0, remaining }
      const second = await count(counter, windowStartMs, remaining)
      if (second.success) return { granted: remaining, remaining: second.remaining }
      // Somebody else was quicker.
      await count(counter, windowStartMs, -remaining)
      return { granted: 0, remaining: 0 }
    },

    async giveBack(counter, windowStartMs, amount) {
      await count(counter, windowStartMs, -amount)
    },

    async hold({ owner, name, amount }, { holderId, running, want, nowMs: now, untilMs }) {
      const key = `${PREFIX}:${owner}:${name}`
      return Number(await command('EVAL', HOLD, 1, key, holderId, running, want, amount, now, untilMs))
    },
  }
}

type Redis = ConstructorParameters<typeof Ratelimit>[0]['redis']

/** All that a fixed window asks of its client. */
function scriptsOnly(command: UpstashCommand): Redis {
  type Argument = string | number
  const scripts = {
    eval: (script: string, keys: Argument[], args: Argument[]) =>
      command('EVAL', script, keys.length, ...keys, ...args),
    evalsha: (sha1: string, keys: Argument[], args: Argument[]) =>
      command('EVALSHA', sha1, keys.length, ...keys, ...args),
  }
  // Sound: test/worker/limit-stores.test.ts has it count in a real Redis.
  return scripts as unknown as Redis
}
