/**
 * Letters that look like letters of the Latin alphabet, after compatibility decomposition and lower case. Only where the shape leaves
 * no doubt: digits and signs in place of letters (`a55`) are not here, since they would make words of numbers.
 */
const GROUPS: Readonly<Record<string, string>> = {
  a: 'аαɑᴀ',
  b: 'ьʙƅ',
  c: 'сϲᴄⅽ',
  d: 'ԁᴅ',
  e: 'еєᴇҽ℮',
  f: 'ꜰƒẝ',
  g: 'ɡɢց',
  h: 'һհʜ',
  i: 'іιıɪӏ',
  j: 'јϳᴊ',
  k: 'кκᴋ',
  l: 'ʟⅼ',
  m: 'мᴍⅿ',
  n: 'ոɴп',
  o: 'оοօᴏσ',
  p: 'рρᴘ',
  q: 'ԛգ',
  r: 'гʀᴦ',
  s: 'ѕꜱ',
  t: 'тτᴛ',
  u: 'υսᴜ',
  v: 'νѵᴠ',
  w: 'ԝωᴡա',
  x: 'хχ',
  y: 'уγʏү',
  z: 'ᴢ',
}

/** Code point to code point: one letter stays one. */
export const LOOK_ALIKES: ReadonlyMap<number, number> = new Map(
  Object.entries(GROUPS).flatMap(([letter, others]) =>
    [...others].map((other): [number, number] => [other.codePointAt(0) ?? 0, letter.charCodeAt(0)]),
  ),
)

/** Letters in black squares and circles, which no decomposition knows: a range of 26 each. */
const BLACK_LETTERS = [0x1f150, 0x1f170] as const

export function plainLetter(codePoint: number): number {
  for (const first of BLACK_LETTERS) {
    if (codePoint >= first && codePoint < first + 26) return codePoint - first + 0x61
  }
  return LOOK_ALIKES.get(codePoint) ?? codePoint
}
