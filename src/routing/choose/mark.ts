/** Names as 32-bit numbers that look like chance, for choices that must come out alike in every isolate. Not cryptographic: nobody gains by a collision. */

export function markOf(name: string): number {
  let mark = 0x811c_9dc5
  for (let at = 0; at < name.length; at++) mark = Math.imul(mark ^ name.charCodeAt(at), 0x0100_0193)
  return mixed(mark)
}

/** Of two marks one, as different from both as from any other's; in (0, 1). */
export function chanceOf(key: number, mark: number): number {
  return ((mixed(key ^ Math.imul(mark, 0x9e37_79b1)) >>> 0) + 0.5) / 0x1_0000_0000
}

/** The finisher of MurmurHash3: every bit of the input changes each bit of the output with the chance of a coin. */
function mixed(mark: number): number {
  let bits = mark ^ (mark >>> 16)
  bits = Math.imul(bits, 0x85eb_ca6b)
  bits ^= bits >>> 13
  bits = Math.imul(bits, 0xc2b2_ae35)
  return bits ^ (bits >>> 16)
}
