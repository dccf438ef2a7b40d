/**
 * Philox words for a whole vocabulary at once. Drawing 49,152 of them takes JavaScript about 5 ms, which is as long as a step of the model
 * takes per row; WebAssembly's vectors take a tenth. The module is assembled here, instruction by instruction, so that there is
 * neither a build step nor a binary to trust; philox.ts is the readable version, and a test compares all of them.
 *
 * Four token ids run in the four lanes of a vector. The first of the ten rounds is done by the caller, because before it only the id differs
 * between lanes; of the last round only the first word is wanted.
 */
import { philoxRound } from './philox.ts'

/** Fills and returns a view of `count` first words for the counters (c0, id, c2, 0), id from 0. Overwritten by the next call. */
export type PhiloxWords = (c0: number, c2: number, key0: number, key1: number) => Uint32Array

const LANES = 4
const LANE_BYTES = 4
const PAGE_BYTES = 65_536
const MULTIPLIER_0 = 0xd2511f53
const MULTIPLIER_1 = 0xcd9e8d57
const WEYL_0 = 0x9e3779b9
const WEYL_1 = 0xbb67ae85
/** Rounds 2 to 9 in full; round 10 in part. */
const FULL_ROUNDS = 8

/** As far as it is used here: the language's own types leave it to the browser's, which a server does not load. */
declare const WebAssembly: {
  Module: new (bytes: Uint8Array<ArrayBuffer>) => object
  Instance: new (module: object) => { exports: Record<string, unknown> }
}

export function createPhiloxWords(count: number): PhiloxWords {
  const pages = Math.ceil((Math.ceil(count / LANES) * LANES * LANE_BYTES) / PAGE_BYTES)
  const instance = new WebAssembly.Instance(new WebAssembly.Module(moduleBytes(pages)))
  // Sound because the module below exports exactly these.
  const { memory, fill } = instance.exports as {
    memory: { buffer: ArrayBuffer }
    fill(bytes: number, a: number, b: number, c: number, d: number, key0: number, key1: number): void
  }
  const words = new Uint32Array(memory.buffer, 0, count)
  return (c0, c2, key0, key1) => {
    // With id 0; the id of a lane is put in by exclusive or, which is all that the first round does with it.
    const [a, b, c, d] = philoxRound([c0, 0, c2, 0], [key0, key1])
    fill(count * LANE_BYTES, a, b, c, d, (key0 + WEYL_0) | 0, (key1 + WEYL_1) | 0)
    return words
  }
}

// Parameters of `fill`, then its locals, as WebAssembly numbers them.
const [BYTES, A0, B0, C0, D0, KEY_0, KEY_1, OFFSET] = [0, 1, 2, 3, 4, 5, 6, 7]
const [IDS, A, B, C, D, LOW, HIGH, LOW_2, HIGH_2] = [8, 9, 10, 11, 12, 13, 14, 15, 16]
/** The keys of the rounds, two vectors each. */
const KEYS = 17
const VECTOR_LOCALS = 9 + 2 * (FULL_ROUNDS + 1)

type Code = number[]

const unsigned = (value: number): Code => {
  const bytes: Code = []
  let rest = value
  do {
    bytes.push((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0))
    rest >>>= 7
  } while (rest > 0)
  return bytes
}
const signed = (value: number): Code => {
  const bytes: Code = []
  let rest = value | 0
  while (true) {
    const byte = rest & 0x7f
    rest >>= 7
    if ((rest === 0 && (byte & 0x40) === 0) || (rest === -1 && (byte & 0x40) !== 0)) return [...bytes, byte]
    bytes.push(byte | 0x80)
  }
}
const words32 = (...values: number[]): Code => [...new Uint8Array(Uint32Array.from(values).buffer)]

const get = (local: number): Code => [0x20, ...unsigned(local)]
const set = (local: number): Code => [0x21, ...unsigned(local)]
const i32 = (value: number): Code => [0x41, ...signed(value)]
const I32_ADD = 0x6a
const I32_LT_U = 0x49
const LOOP_VOID = [0x03, 0x40]
const BRANCH_IF_0 = [0x0d, 0x00]
const END = 0x0b
const vector = (opcode: number, ...rest: Code): Code => [0xfd, ...unsigned(opcode), ...rest]
const STORE = vector(0x0b, 4, 0) // aligned to 2^4 bytes, offset 0
const constant = (...lanes: number[]): Code => vector(0x0c, ...words32(...lanes))
const SPLAT = vector(0x11)
const XOR = vector(0x51)
const ADD = vector(0xae)
const MULTIPLY_LOW_LANES = vector(0xde) // i64x2.extmul_low_i32x4_u
const MULTIPLY_HIGH_LANES = vector(0xdf)
const shuffle = (...lanes: number[]): Code =>
  vector(0x0d, ...lanes.flatMap((lane) => [0, 1, 2, 3].map((byte) => lane * LANE_BYTES + byte)))
/** Of two vectors of two 64-bit products: the four low words, the four high words. */
const LOW_WORDS = shuffle(0, 2, 4, 6)
const HIGH_WORDS = shuffle(1, 3, 5, 7)

function products(multiplier: number, operand: number, low: number, high: number): Code {
  const factors = [...get(operand), ...constant(multiplier, multiplier, multiplier, multiplier)]
  return [...factors, ...MULTIPLY_LOW_LANES, ...set(low), ...factors, ...MULTIPLY_HIGH_LANES, ...set(high)]
}
const take = (words: Code, low: number, high: number): Code => [...get(low), ...get(high), ...words]

function fullRound(round: number): Code {
  return [
    ...products(MULTIPLIER_0, A, LOW, HIGH),
    ...products(MULTIPLIER_1, C, LOW_2, HIGH_2),
    ...take(HIGH_WORDS, LOW_2, HIGH_2),
    ...[...get(B), ...XOR, ...get(KEYS + 2 * round), ...XOR, ...set(A)],
    ...[...take(LOW_WORDS, LOW_2, HIGH_2), ...set(B)],
    ...take(HIGH_WORDS, LOW, HIGH),
    ...[...get(D), ...XOR, ...get(KEYS + 2 * round + 1), ...XOR, ...set(C)],
    ...[...take(LOW_WORDS, LOW, HIGH), ...set(D)],
  ]
}

function fillBody(): Code {
  const keys = Array.from({ length: FULL_ROUNDS + 1 }, (_, round) => [
    ...[...get(KEY_0), ...i32(Math.imul(round, WEYL_0)), I32_ADD, ...SPLAT, ...set(KEYS + 2 * round)],
    ...[...get(KEY_1), ...i32(Math.imul(round, WEYL_1)), I32_ADD, ...SPLAT, ...set(KEYS + 2 * round + 1)],
  ]).flat()
  const rounds = Array.from({ length: FULL_ROUNDS }, (_, round) => fullRound(round)).flat()
  return [
    ...[...constant(0, 1, 2, 3), ...set(IDS)],
    ...keys,
    ...LOOP_VOID,
    ...[...get(A0), ...SPLAT, ...get(IDS), ...XOR, ...set(A)],
    ...[...get(B0), ...SPLAT, ...set(B), ...get(C0), ...SPLAT, ...set(C), ...get(D0), ...SPLAT, ...set(D)],
    ...rounds,
    ...products(MULTIPLIER_1, C, LOW_2, HIGH_2),
    ...get(OFFSET),
    ...[...take(HIGH_WORDS, LOW_2, HIGH_2), ...get(B), ...XOR, ...get(KEYS + 2 * FULL_ROUNDS), ...XOR],
    ...STORE,
    ...[...get(IDS), ...constant(LANES, LANES, LANES, LANES), ...ADD, ...set(IDS)],
    ...[...get(OFFSET), ...i32(LANES * LANE_BYTES), I32_ADD, ...set(OFFSET)],
    ...[...get(OFFSET), ...get(BYTES), I32_LT_U, ...BRANCH_IF_0],
    END,
  ]
}

/** WebAssembly's binary format: magic, version, then sections of number, length, content. */
function moduleBytes(pages: number): Uint8Array<ArrayBuffer> {
  const I32 = 0x7f
  const V128 = 0x7b
  const sized = (content: Code): Code => [...unsigned(content.length), ...content]
  const section = (number: number, content: Code): Code => [number, ...sized(content)]
  const name = (text: string): Code => sized([...new TextEncoder().encode(text)])
  const body = [2, 1, I32, ...unsigned(VECTOR_LOCALS), V128, ...fillBody(), END]
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, [1, 0x60, 7, ...new Array<number>(7).fill(I32), 0]), // one type: 7 x i32 -> nothing
    ...section(3, [1, 0]), // one function of that type
    ...section(5, [1, 0, ...unsigned(pages)]), // one memory
    ...section(7, [2, ...name('memory'), 2, 0, ...name('fill'), 0, 0]),
    ...section(10, [1, ...sized(body)]),
  ])
}
