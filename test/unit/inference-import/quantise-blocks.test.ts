/** Rounding weights to 8 and 4 bits: how far off a value may be, and which values are kept exactly. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type GgufFile, openGguf } from '../../../functions/inference/import/gguf-file.ts'
import { floatToHalf, halfToFloat } from '../../../functions/inference/import/half-float.ts'
import { dequantise } from '../../../functions/inference/import/matrix-values.ts'
import { type QuantiseBlock, quantiseQ4_1, quantiseQ8_0 } from '../../../functions/inference/import/quantise-blocks.ts'
import { quantisedFile } from '../../../functions/inference/import/quantised-file.ts'
import { randomMatrix, SYNTHETIC_TYPES, seededRandom } from '../../functions/import/synthetic-blocks.ts'
import { syntheticGguf } from '../../functions/import/synthetic-gguf.ts'

const BYTES = { Q8_0: 34, Q4_1: 20 }
const QUANTISERS: Record<keyof typeof BYTES, QuantiseBlock> = { Q8_0: quantiseQ8_0, Q4_1: quantiseQ4_1 }

function roundTrip(type: keyof typeof BYTES, values: Float32Array): Float32Array {
  const out = Buffer.alloc((values.length / 32) * BYTES[type])
  for (let block = 0; block < values.length / 32; block++) {
    QUANTISERS[type](values, block * 32, out, block * BYTES[type])
  }
  return dequantise(type, out)
}

/** Sum of twelve uniform numbers, which is near a normal one, as weights are. */
function normalValues(count: number, seed: number): Float32Array {
  const random = seededRandom(seed)
  return Float32Array.from({ length: count }, () => {
    let sum = -6
    for (let i = 0; i < 12; i++) sum += random()
    return sum * 0.02
  })
}

const squaredError = (got: Float32Array, wanted: Float32Array) =>
  wanted.reduce((sum, value, i) => sum + (value - (got[i] ?? Number.NaN)) ** 2, 0)

describe('halves', () => {
  test('every half is itself', () => {
    for (let bits = 0; bits < 65_536; bits++) {
      const value = halfToFloat(bits)
      if (!Number.isNaN(value) && floatToHalf(value) !== bits) throw new Error(`${bits} became ${floatToHalf(value)}`)
    }
  })

  test.each([
    [1 + 2 ** -11, 0x3c00],
    [1 + 3 * 2 ** -11, 0x3c02],
    [1 + 2 ** -11 + 2 ** -20, 0x3c01],
    [2 - 2 ** -12, 0x4000],
    [65_519, 0x7bff],
    [65_520, 0x7c00],
    [2 ** -25, 0],
    [2 ** -25 * 1.01, 1],
    [2 ** -14 - 2 ** -26, 0x0400],
    [-(1 + 2 ** -11), 0xbc00],
    [Number.NEGATIVE_INFINITY, 0xfc00],
  ])('%d becomes the nearest, ties the even one', (value, bits) => {
    expect(floatToHalf(value)).toBe(bits)
  })
})

test.each(SYNTHETIC_TYPES)('the values of %s are those of its blocks', (type) => {
  const { bytes, values } = randomMatrix(type, 4, 256, 0.2, 0, seededRandom(3))
  // 0 and -0 are one value.
  const positive = (value: number) => value + 0
  expect(dequantise(type, bytes).map(positive)).toEqual(Float32Array.from(values, positive))
})

describe('8 bits', () => {
  test('no value is off by more than half a step, and the half that the scale is rounded to', () => {
    const values = normalValues(3_200, 1)
    const got = roundTrip('Q8_0', values)
    for (let block = 0; block < 100; block++) {
      const largest = Math.max(...values.subarray(block * 32, block * 32 + 32).map(Math.abs))
      const bound = largest / 254 + largest * 2 ** -10
      for (let i = block * 32; i < block * 32 + 32; i++) {
        expect(Math.abs((values[i] ?? 0) - (got[i] ?? Number.NaN))).toBeLessThanOrEqual(bound)
      }
    }
  })

  test('what 8 bits can hold is kept exactly', () => {
    const values = Float32Array.from({ length: 32 }, (_, i) => (i === 5 ? -127 : i * 4 - 62) * halfToFloat(0x1234))
    expect(roundTrip('Q8_0', values)).toEqual(values)
  })

  test('zeros, and values too small for a scale, are zeros', () => {
    expect(roundTrip('Q8_0', new Float32Array(32)).every((value) => value === 0)).toBe(true)
    expect(roundTrip('Q8_0', new Float32Array(32).fill(1e-7)).every((value) => value === 0)).toBe(true)
  })
})

describe('4 bits', () => {
  test('what 4 bits can hold is kept exactly', () => {
    const scale = halfToFloat(0x1e07)
    const minimum = halfToFloat(0xa8a3)
    const values = Float32Array.from({ length: 32 }, (_, i) => minimum + scale * ((i * 7) % 16))
    expect(roundTrip('Q4_1', values)).toEqual(values)
    expect(roundTrip('Q4_1', new Float32Array(32).fill(minimum))).toEqual(new Float32Array(32).fill(minimum))
  })

  test('the error is below that of spreading the steps over the range, block by block, and a tenth less in all', () => {
    const values = normalValues(32_000, 2)
    const got = roundTrip('Q4_1', values)
    let plainTotal = 0
    for (let at = 0; at < values.length; at += 32) {
      const block = values.subarray(at, at + 32)
      const minimum = halfToFloat(floatToHalf(Math.min(...block)))
      const scale = halfToFloat(floatToHalf((Math.max(...block) - Math.min(...block)) / 15))
      const plain = block.map(
        (value) => minimum + scale * Math.max(0, Math.min(15, Math.round((value - minimum) / scale))),
      )
      const plainError = squaredError(plain, block)
      expect(squaredError(got.subarray(at, at + 32), block)).toBeLessThanOrEqual(plainError * (1 + 1e-5))
      plainTotal += plainError
    }
    expect(squaredError(got, values)).toBeLessThan(0.9 * plainTotal)
  })
})

describe('a file in fewer bits', () => {
  let root: string
  const files: GgufFile[] = []
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'perigee-quantise-'))
  })
  afterAll(async () => {
    for (const file of files) await file.close()
    await rm(root, { recursive: true, force: true })
  })

  async function opened(bytes: Buffer): Promise<GgufFile> {
    const path = join(root, `${files.length}.gguf`)
    await writeFile(path, bytes)
    const result = await openGguf(path)
    if (!result.ok) throw new Error(result.message)
    files.push(result.file)
    return result.file
  }

  const model = syntheticGguf({ weights: 'Q4_K', valueWeights: 'F16', embeddings: 'Q6_K', head: 'F32' })

  test.each([
    [8, 0.01],
    [4, 0.1],
  ] as const)(
    '%d bits: each matrix is near what it was, from whatever type, however it is read',
    async (bits, bound) => {
      const { file, rounded } = quantisedFile(await opened(model.file), bits)
      for (const tensor of file.tensors.values()) {
        const wanted = Float32Array.from(model.values.get(tensor.name) ?? [])
        const bytes = await file.read(tensor.offset, tensor.byteLength)
        const error = Math.sqrt(
          squaredError(dequantise(tensor.type, bytes), wanted) / squaredError(new Float32Array(wanted.length), wanted),
        )
        expect(error, tensor.name).toBeLessThan(tensor.rows === 1 ? 1e-7 : bound)
        if (tensor.rows === 1) continue
        // A number of blocks that no block of 256 elements begins or ends with.
        const odd = 3 * (tensor.byteLength / ((tensor.rows * tensor.columns) / 32))
        expect((await file.read(tensor.offset + odd, odd)).equals(bytes.subarray(odd, 2 * odd))).toBe(true)
      }
      const to = bits === 8 ? 'Q8_0' : 'Q4_1'
      expect(rounded).toEqual(
        bits === 8
          ? [
              { from: 'Q6_K', to, matrices: 1 },
              { from: 'Q4_K', to, matrices: 12 },
              { from: 'F16', to, matrices: 2 },
              { from: 'F32', to, matrices: 1 },
            ]
          : [
              { from: 'Q6_K', to: 'Q8_0', matrices: 1 },
              { from: 'Q4_K', to, matrices: 12 },
              { from: 'F16', to, matrices: 2 },
              { from: 'F32', to: 'Q8_0', matrices: 1 },
            ],
      )
    },
  )

  test('what is of the type already is not touched', async () => {
    const same = await opened(syntheticGguf({ weights: 'Q4_1', embeddings: 'Q8_0' }).file)
    const { file } = quantisedFile(same, 4)
    for (const [name, tensor] of same.tensors) {
      const now = file.tensors.get(name)
      if (!now) throw new Error(name)
      expect(
        (await file.read(now.offset, now.byteLength)).equals(await same.read(tensor.offset, tensor.byteLength)),
      ).toBe(true)
    }
  })

  test.each([0x7c, 0xfe])('weights that are not finite are refused (half %#)', async (high) => {
    const bad = syntheticGguf({ weights: 'F16', embeddings: 'F16' })
    const source = await opened(bad.file)
    const tensor = source.tensors.get('blk.0.attn_q.weight')
    if (!tensor) throw new Error('no attn_q')
    const bytes = Buffer.from(bad.file)
    bytes[tensor.offset + 101] = high
    bytes[tensor.offset + 100] = high === 0x7c ? 0 : 1
    const { file } = quantisedFile(await opened(bytes), 8)
    const at = file.tensors.get('blk.0.attn_q.weight')?.offset ?? 0
    await expect(file.read(at, 34 * 8)).rejects.toThrow('blk.0.attn_q.weight has weights that are not finite')
  })
})
