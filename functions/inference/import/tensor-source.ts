/** Hands out each tensor of a file once, with its shape checked; what nobody took is a part of the model that would be silently lost. */
import { GgufError } from './gguf-cursor.ts'
import type { GgufFile, GgufTensor } from './gguf-file.ts'

export class TensorSource {
  readonly #file: GgufFile
  readonly #left: Set<string>

  constructor(file: GgufFile) {
    this.#file = file
    this.#left = new Set(file.tensors.keys())
  }

  take(name: string, rows: number, columns: number): GgufTensor {
    const tensor = this.takeIfPresent(name, rows, columns)
    if (!tensor) throw new GgufError(`it has no tensor ${name}`)
    return tensor
  }

  takeIfPresent(name: string, rows: number, columns: number): GgufTensor | null {
    const tensor = this.#file.tensors.get(name)
    if (!tensor) return null
    if (tensor.rows !== rows || tensor.columns !== columns) {
      throw new GgufError(`${name} is ${tensor.rows} x ${tensor.columns}, and its metadata says ${rows} x ${columns}`)
    }
    this.#left.delete(name)
    return tensor
  }

  /** The values of a tensor of one row. They are fp32 in every file, whatever the type of the matrices. */
  async takeVector(name: string, length: number): Promise<Float32Array> {
    const tensor = this.take(name, 1, length)
    if (tensor.type !== 'F32')
      throw new GgufError(`${name} is ${tensor.type}, and norms and biases are expected in F32`)
    const bytes = await this.#file.read(tensor.offset, tensor.byteLength)
    return Float32Array.from({ length }, (_, i) => bytes.readFloatLE(i * 4))
  }

  refuseLeftovers(architecture: string): void {
    const [name] = this.#left
    if (name)
      throw new GgufError(
        `it has ${this.#left.size} tensors that the ${architecture} architecture does not use, the first is ${name}`,
      )
  }
}
