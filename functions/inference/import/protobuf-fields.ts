/** Takes a protobuf message apart into its fields, as far as onnx-writer.ts writes them. For files that we wrote: no schema, no groups. */

export type ProtobufField = {
  number: number
  /** Of a varint. */
  value: number
  /** Of a string, bytes or message; empty for a varint. */
  bytes: Uint8Array
  /** The whole field, tag included, to be copied as it is. */
  raw: Uint8Array
}

const VARINT = 0
const FIXED64 = 1
const LENGTH_DELIMITED = 2
const FIXED32 = 5

/** @throws Error when the message ends within a field, or has one of a kind that is not known */
export function protobufFields(message: Uint8Array): ProtobufField[] {
  const fields: ProtobufField[] = []
  let at = 0
  function varint(): number {
    let value = 0
    let factor = 1
    while (true) {
      const byte = message[at++]
      if (byte === undefined) throw new Error('A protobuf message ends within a number.')
      value += (byte & 127) * factor
      if (byte < 128) return value
      factor *= 128
    }
  }
  while (at < message.length) {
    const start = at
    const tag = varint()
    const wireType = tag % 8
    let value = 0
    let length = 0
    if (wireType === VARINT) value = varint()
    else if (wireType === LENGTH_DELIMITED) length = varint()
    else if (wireType === FIXED32) length = 4
    else if (wireType === FIXED64) length = 8
    else throw new Error(`A protobuf message has a field of wire type ${wireType}.`)
    const bytes = message.subarray(at, at + length)
    if (bytes.length !== length) throw new Error('A protobuf message ends within a field.')
    at += length
    fields.push({ number: Math.floor(tag / 8), value, bytes, raw: message.subarray(start, at) })
  }
  return fields
}
