/** Every time on the wire that is about a stored object: whole seconds since 1970 (UTC), as OpenAI's. */
export function unixSeconds(ms: number): number {
  return Math.floor(ms / 1_000)
}
