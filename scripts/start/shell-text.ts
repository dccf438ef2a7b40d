/** A text as one word of a POSIX shell's line. */
export function shellText(text: string): string {
  return /^[\w./:@%+=-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`
}
