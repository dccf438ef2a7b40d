/**
 * Networks in CIDR notation and the addresses in them, IPv4 and IPv6. Pure. An IPv4 address that is written as IPv6 (::ffff:1.2.3.4) is
 * the IPv4 address.
 */

/** `groups` are 16 bits each: two for IPv4, eight for IPv6. */
export type Address = readonly number[]
export type Network = { address: Address; bits: number }

/** Undefined when the text is neither a network nor an address. Bits beyond the prefix must be zero, for they say something else was meant. */
export function parseNetwork(text: string): Network | undefined {
  const [addressText = '', bitsText, ...more] = text.split('/')
  if (more.length > 0) return undefined
  const written = parseGroups(addressText)
  if (!written) return undefined
  const bitsMax = written.length * 16
  if (bitsText !== undefined && !/^(0|[1-9]\d{0,2})$/.test(bitsText)) return undefined
  const bits = bitsText === undefined ? bitsMax : Number(bitsText)
  if (bits > bitsMax || !written.every((group, index) => (group & ~maskOf(index, bits)) === 0)) return undefined
  const address = unmapped(written)
  if (address === written) return { address, bits }
  // ::ffff:0:0/96 and longer is a network of IPv4; what is shorter holds other addresses too.
  return bits >= 96 ? { address, bits: bits - 96 } : { address: written, bits }
}

export function parseAddress(text: string): Address | undefined {
  const groups = parseGroups(text)
  return groups && unmapped(groups)
}

export function isIn(address: Address, network: Network): boolean {
  if (address.length !== network.address.length) return false
  return network.address.every((group, index) => (((address[index] ?? 0) ^ group) & maskOf(index, network.bits)) === 0)
}

/** Of the 16 bits of a group, those that the prefix covers. */
function maskOf(index: number, bits: number): number {
  const covered = Math.min(16, Math.max(0, bits - index * 16))
  return (0xffff << (16 - covered)) & 0xffff
}

function unmapped(groups: Address): Address {
  const isMapped = groups.length === 8 && groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff
  return isMapped ? groups.slice(6) : groups
}

function parseGroups(text: string): Address | undefined {
  return text.includes(':') ? parseIpv6(text) : parseIpv4(text)
}

/** Four decimal numbers. No leading zeros: some read them as octal. */
function parseIpv4(text: string): Address | undefined {
  const bytes = text.split('.').map((part) => (/^(0|[1-9]\d{0,2})$/.test(part) ? Number(part) : 256))
  const [a = 256, b = 256, c = 256, d = 256] = bytes
  if (bytes.length !== 4 || bytes.some((byte) => byte > 255)) return undefined
  return [a * 256 + b, c * 256 + d]
}

/** RFC 4291 2.2: eight groups, `::` once for one or more of zero, the last two perhaps as IPv4. */
function parseIpv6(text: string): Address | undefined {
  const halves = text.split('::')
  if (halves.length > 2) return undefined
  const [head, tail] = halves.map((half, index) => (half === '' ? [] : parseHalf(half, index === halves.length - 1)))
  if (!head) return undefined
  if (halves.length === 1) return head.length === 8 ? head : undefined
  if (!tail || head.length + tail.length > 7) return undefined
  return [...head, ...Array<number>(8 - head.length - tail.length).fill(0), ...tail]
}

function parseHalf(text: string, isLast: boolean): number[] | undefined {
  const groups: number[] = []
  const parts = text.split(':')
  for (const [index, part] of parts.entries()) {
    if (isLast && index === parts.length - 1 && part.includes('.')) {
      const ipv4 = parseIpv4(part)
      if (!ipv4) return undefined
      groups.push(...ipv4)
    } else {
      if (!/^[0-9a-fA-F]{1,4}$/.test(part)) return undefined
      groups.push(Number.parseInt(part, 16))
    }
  }
  return groups
}
