/** Where a request comes from, as the platform says it. For counting tries: an IPv6 caller owns a /64, so its addresses are one. */
import type { AppContext } from './route.ts'

/** Cloudflare sets the header and lets no caller set it. Elsewhere a proxy must; callers without it are counted as one. */
export function callerAddress(context: AppContext): string {
  return network(context.req.header('cf-connecting-ip') ?? 'unknown')
}

/** An IPv4 address as it is, of an IPv6 address the first four groups. */
export function network(address: string): string {
  if (!address.includes(':')) return address
  // An IPv4 address inside an IPv6 one (::ffff:192.0.2.1) is that address.
  const inner = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1]
  if (inner) return inner
  const [head = '', tail = ''] = address.split('::', 2)
  const before = head === '' ? [] : head.split(':')
  const after = tail === '' ? [] : tail.split(':')
  const groups = [...before, ...Array<string>(Math.max(0, 8 - before.length - after.length)).fill('0'), ...after]
  return `${groups
    .slice(0, 4)
    .map((group) => group.toLowerCase().replace(/^0+(?=.)/, ''))
    .join(':')}::/64`
}
