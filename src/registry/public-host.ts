/**
 * Whether a URL's host is somewhere on the public internet, as far as its text says. Whoever may change the configuration must not be able to
 * have the Worker call what only the Worker's machine or network reaches: loopback, private networks, a cloud's metadata service.
 */

/** Names that never leave a machine or a network, and services whose names resolve to whatever address they contain. */
const INTERNAL_NAMES = [
  'localhost',
  'localdomain',
  'local',
  'internal',
  'intranet',
  'private',
  'corp',
  'lan',
  'home',
  'home.arpa',
  'in-addr.arpa',
  'ip6.arpa',
  'test',
  'invalid',
  'onion',
  'nip.io',
  'sslip.io',
  'xip.io',
  'localtest.me',
  'lvh.me',
] as const

/** First address and prefix length of what IANA keeps from the internet: RFC 6890 and its successors. */
const INTERNAL_IPV4: readonly (readonly [number, number, number, number, prefix: number])[] = [
  [0, 0, 0, 0, 8],
  [10, 0, 0, 0, 8],
  [100, 64, 0, 0, 10],
  [127, 0, 0, 0, 8],
  [169, 254, 0, 0, 16],
  [172, 16, 0, 0, 12],
  [192, 0, 0, 0, 24],
  [192, 0, 2, 0, 24],
  [192, 88, 99, 0, 24],
  [192, 168, 0, 0, 16],
  [198, 18, 0, 0, 15],
  [198, 51, 100, 0, 24],
  [203, 0, 113, 0, 24],
  [224, 0, 0, 0, 3],
]

/** Of a URL that was parsed: decimal, octal and hexadecimal forms of an address are plain by then, and names are lower-case ASCII. */
export function isPublicHost({ hostname }: URL): boolean {
  if (hostname.startsWith('[')) return isPublicIpv6(hostname.slice(1, -1))
  const octets = /^(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(hostname)?.slice(1).map(Number)
  if (octets) return isPublicIpv4(octets)
  // The dot of the root makes no other host.
  const name = hostname.replace(/\.+$/, '')
  // Of one part: found by a search domain, so inside.
  if (!name.includes('.')) return false
  return !INTERNAL_NAMES.some((internal) => name === internal || name.endsWith(`.${internal}`))
}

function isPublicIpv4(octets: readonly number[]): boolean {
  const address = number32(octets)
  return !INTERNAL_IPV4.some(([a, b, c, d, prefix]) => {
    const shift = 32 - prefix
    return address >>> shift === number32([a, b, c, d]) >>> shift
  })
}

function number32(octets: readonly number[]): number {
  return octets.reduce((sum, octet) => sum * 256 + octet, 0) >>> 0
}

/** Only 2000::/3 is given out; of it not what carries an IPv4 address (6to4, Teredo) or is for documents. */
function isPublicIpv6(text: string): boolean {
  const [first = 0, second = 0] = groupsOf(text)
  if (first >>> 13 !== 0b001) return false
  if (first === 0x2001) return second >= 0x0200 && second !== 0x0db8
  return first !== 0x2002 && first !== 0x3fff
}

/** The groups before `::`. In 2000::/3 the first is always among them. */
function groupsOf(text: string): number[] {
  const [head = ''] = text.split('::')
  return head === '' ? [] : head.split(':').map((group) => Number.parseInt(group, 16))
}
