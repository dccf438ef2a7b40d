/** One line on stderr that says what is being measured: rewritten in place on a terminal, one below the other in a log. */
export function progress(text: string): void {
  process.stderr.write(process.stderr.isTTY ? `\r\x1b[2K${text}` : `${text}\n`)
}

/** Leaves the terminal's line, so that what follows does not overwrite it. */
export function progressDone(): void {
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[2K')
}
