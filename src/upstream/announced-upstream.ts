/** A deployment whose server announces itself: where that is may be another place at the next call. */
import type { TokenCounter, Upstream } from '../chat/ports.ts'
import { AppError } from '../errors.ts'

type UrlOf = () => string | undefined | Promise<string | undefined>

/** `urlOf`: where the server is now; undefined where there is none. `make` is called once for each place. */
export function announcedUpstream(options: { urlOf: UrlOf; make: (url: string) => Upstream }): Upstream {
  const { urlOf, make } = options
  let made: { url: string; upstream: Upstream } | undefined
  return {
    async open(call, signal) {
      const url = await foundUrl(urlOf)
      if (made?.url !== url) made = { url, upstream: make(url) }
      return made.upstream.open(call, signal)
    },
  }
}

export function announcedCounter({ urlOf, make }: { urlOf: UrlOf; make: (url: string) => TokenCounter }): TokenCounter {
  return { count: async (...call) => make(await foundUrl(urlOf)).count(...call) }
}

async function foundUrl(urlOf: UrlOf): Promise<string> {
  const url = await urlOf()
  if (url !== undefined) return url
  const cause = new Error('No server has announced itself for this deployment.')
  throw new AppError('upstream_unavailable', 'The model cannot be reached.', { cause })
}
