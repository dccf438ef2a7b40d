/** The token of `Authorization: Bearer ...` (RFC 6750 2.1). */

/** No key of ours is longer, and no provider's token that names somebody: more is not worth a hash. */
const TOKEN_CHARS_MAX = 8_192

/** Undefined when there is none, when there are two, and when it is too long. */
export function bearerToken(header: string | undefined): string | undefined {
  // The scheme is case-insensitive by RFC 9110 11.1. Several headers arrive as one, with commas and spaces between: no token has a space.
  const token = header === undefined ? undefined : /^bearer +([\x21-\x7e]+)$/i.exec(header)?.[1]
  return token !== undefined && token.length <= TOKEN_CHARS_MAX ? token : undefined
}

/** RFC 7515 7.1: what is a token rather than a key. */
export function isCompactJws(token: string): boolean {
  return /^[\w-]+\.[\w-]+\.[\w-]+$/.test(token)
}
