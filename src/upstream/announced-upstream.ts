/** A deployment whose server announces itself: where that is may be another place at the next call. */
import type { Upstream } from '../chat/ports.ts'
import { AppError } from '../errors.ts'

/** `urlOf`: where the server is now; undefined where there is none. `make` is called once for each place. */
export function announcedUpstream(options: {
  urlOf: () => string | undefined | Promise<string | undefined>
  make: (url: string) => Upstream
}): Upstream {
  const { urlOf, make } = options
  let made: { url: string; upstream: Upstream } | undefined
  return {
    async open(call, signal) {
      const url = await urlOf()
      if (url === undefined) {
        const cause = new Error('No server has announced itself for this deployment.')
        throw new AppError('upstream_unavailable', 'The model cannot be reached.', { cause })
      }
      if (made?.url !== url) made = { url, upstream: make(url) }
      return made.upstream.open(call, signal)
    },
  }
}
