/** What import/lora-graph.ts relies on: how ONNX Runtime's kernel for float products rounds, and on what that depends. */
import { InferenceSession, Tensor } from 'onnxruntime-node'
import { describe, expect, test } from 'vitest'
import { encodeOnnxModel } from '../../../functions/inference/import/onnx-writer.ts'
import { seededRandom } from '../import/synthetic-blocks.ts'

/** More than cores: how work is divided depends on the number asked for. */
const THREADS = [1, 2, 16]

const random = seededRandom(11)
const randomFloats = (length: number) => Float32Array.from({ length }, () => random() * 2 - 1)

/** [.., rows, inner] times [.., inner, width]. */
async function openProduct(alpha: 0.5 | 2, threads: number) {
  const dims = (last: string[]) => ['batch', ...last]
  const model = encodeOnnxModel({
    nodes: [
      {
        ...{ op: 'FusedMatMul', domain: 'com.microsoft', inputs: ['x', 'w'], outputs: ['y'] },
        attributes: { alpha: { float: alpha } },
      },
    ],
    initializers: [],
    inputs: [
      { name: 'x', type: 'float', dims: dims(['rows', 'inner']) },
      { name: 'w', type: 'float', dims: dims(['inner', 'width']) },
    ],
    outputs: [{ name: 'y', type: 'float', dims: dims(['rows', 'width']) }],
    producer: 'test',
  })
  const session = await InferenceSession.create(new Uint8Array(model), { intraOpNumThreads: threads })
  return async (x: Float32Array, rows: number, w: Float32Array, width: number) => {
    const inner = x.length / rows
    const { y } = await session.run({
      x: new Tensor('float32', x, [1, rows, inner]),
      w: new Tensor('float32', w, [1, inner, width]),
    })
    if (!(y?.data instanceof Float32Array)) throw new Error('no product')
    return Buffer.from(y.data.slice().buffer)
  }
}

describe('A, in chunks of 16 ranks and with a factor of 2', () => {
  /** As of a large model's down projection, where threads divide even few rows. */
  const COLUMNS = 8_192
  const ROWS_MAX = 33
  const x = randomFloats(ROWS_MAX * COLUMNS)
  const a = randomFloats(COLUMNS * 16)

  async function differing(threads: number) {
    const whole = await (await openProduct(2, 1))(x, ROWS_MAX, a, 16)
    const product = await openProduct(2, threads)
    const rows = Array.from({ length: ROWS_MAX }, (_, index) => index + 1)
    const found: number[] = []
    for (const count of rows) {
      const some = await product(x.subarray(0, count * COLUMNS), count, a, 16)
      if (!some.equals(whole.subarray(0, some.length))) found.push(count)
    }
    return found
  }

  test.each(THREADS)('gives a row the same bits whatever the number of rows, on %i threads', async (threads) => {
    expect(await differing(threads)).toEqual([])
  })
})

describe('B, behind chunks that lie at multiples of their own size', () => {
  const WIDTH = 576
  const ROWS = 4

  /** An adapter of `ranks`, at `offset` of `total`, where all else is another's and masked. */
  async function result(ranks: number, offset: number, total: number, threads: number) {
    const x = new Float32Array(ROWS * total)
    const b = randomFloats(total * WIDTH)
    const own = seededRandom(ranks)
    for (let row = 0; row < ROWS; row++) for (let i = 0; i < ranks; i++) x[row * total + offset + i] = own() * 2 - 1
    for (let i = 0; i < ranks * WIDTH; i++) b[offset * WIDTH + i] = own() * 2 - 1
    return (await openProduct(0.5, threads))(x, ROWS, b, WIDTH)
  }

  test.each([
    [16, 112, 144],
    [32, 96, 384],
    [128, 256, 400],
  ])('%i ranks at %i of %i give the bits that they give alone', async (ranks, offset, total) => {
    const alone = await result(ranks, 0, ranks, 1)
    for (const threads of THREADS) expect((await result(ranks, offset, total, threads)).equals(alone)).toBe(true)
  })
})
