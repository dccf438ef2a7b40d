/**
 * Server-sent events from bytes, as in WHATWG HTML 9.2.6, whatever the network did to their boundaries. Keeps `data` only: no
 * protocol that we read upstream puts anything into the other fields that its data does not repeat.
 */

/** The ids of the longest prompt fit (1,048,576 tokens of up to 7 digits and a comma); more is not an answer. */
export const SSE_EVENT_CHARS_MAX = 8_388_608

export type SseBatch = {
  /** The `data` of every event that these bytes completed, in order. */
  data: string[]
  /** Whether a comment line came: the server says that it is alive. */
  commented: boolean
}

export type SseDecoder = {
  /** Throws a RangeError when an event exceeds SSE_EVENT_CHARS_MAX; the stream must then be given up. */
  push(bytes: Uint8Array): SseBatch
}

/** An event that the end of the stream cuts is dropped, as the standard says: there is no `end`. */
export function sseDecoder(eventCharsMax = SSE_EVENT_CHARS_MAX): SseDecoder {
  // Drops one byte order mark at the start, which is what the standard asks for.
  const utf8 = new TextDecoder()
  /** The start of a line whose end has not come. Joined lazily by the engine, so that many small reads stay linear. */
  let partial = ''
  /** Lines of the event under way. */
  let lines: string[] = []
  let eventChars = 0
  /** The last character was CR: an LF that comes next belongs to it. */
  let afterCarriageReturn = false

  function push(bytes: Uint8Array): SseBatch {
    const batch: SseBatch = { data: [], commented: false }
    const text = utf8.decode(bytes, { stream: true })
    if (text === '') return batch
    let start = afterCarriageReturn && text.charCodeAt(0) === LINE_FEED ? 1 : 0
    afterCarriageReturn = text.charCodeAt(text.length - 1) === CARRIAGE_RETURN
    // JSON escapes both line ends, so a CR is rare, and looking for it once per read is cheap.
    const mayHoldCarriageReturn = text.includes('\r')
    for (;;) {
      const end = mayHoldCarriageReturn ? nextLineEnd(text, start) : text.indexOf('\n', start)
      if (end === -1) break
      const rest = text.slice(start, end)
      line(partial === '' ? rest : partial + rest, batch)
      partial = ''
      const isPair = text.charCodeAt(end) === CARRIAGE_RETURN && text.charCodeAt(end + 1) === LINE_FEED
      start = end + (isPair ? 2 : 1)
    }
    if (start < text.length) partial += text.slice(start)
    if (eventChars + partial.length > eventCharsMax) throw tooLarge(eventCharsMax)
    return batch
  }

  function line(text: string, batch: SseBatch): void {
    if (text === '') {
      const [only] = lines
      if (only !== undefined) batch.data.push(lines.length === 1 ? only : lines.join('\n'))
      lines = []
      eventChars = 0
    } else if (text.startsWith('data:')) {
      const value = text.charCodeAt(5) === SPACE ? text.slice(6) : text.slice(5)
      eventChars += value.length
      if (eventChars > eventCharsMax) throw tooLarge(eventCharsMax)
      lines.push(value)
    } else if (text.charCodeAt(0) === COLON) {
      batch.commented = true
    } else if (text === 'data') {
      // It costs a place in memory, so it counts.
      eventChars += 1
      lines.push('')
    }
  }

  return { push }
}

const LINE_FEED = 0x0a
const CARRIAGE_RETURN = 0x0d
const SPACE = 0x20
const COLON = 0x3a

/** Index of the next LF or CR, or -1. */
function nextLineEnd(text: string, start: number): number {
  const lineFeed = text.indexOf('\n', start)
  const carriageReturn = text.indexOf('\r', start)
  if (lineFeed === -1) return carriageReturn
  if (carriageReturn === -1) return lineFeed
  return Math.min(lineFeed, carriageReturn)
}

function tooLarge(eventCharsMax: number): RangeError {
  return new RangeError(`An event of the stream is longer than ${eventCharsMax} characters.`)
}
