/** A session of ONNX Runtime on the CPU, tensors over our own memory, and bindings that are made once and run many times. */
import { check, create, ort } from './ort-api.ts'
import type { Pointer } from './ort-library.ts'
import { trimHeap } from './trim-heap.ts'

const LOG_ERRORS = 3
const OPTIMISE_ALL = 99
const DEVICE_ALLOCATOR = 0
const DEFAULT_MEMORY = 0

/** Numbers of ONNXTensorElementDataType. */
const FLOAT = 1
const INT32 = 6
const INT64 = 7

export type TensorData = Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer> | BigInt64Array<ArrayBuffer>

export type OrtSession = {
  bind(): OrtBinding
  /** After its bindings were released. Returns before the memory is free. */
  close(): void
}

/**
 * Inputs and outputs tied to arrays. Native code reads and writes the arrays at every run, so the binding keeps them
 * referenced for as long as it lives: an array that is collected too early gives wrong tokens first and a crash later.
 */
export type OrtBinding = {
  input(name: string, data: TensorData, shape: number[]): void
  output(name: string, data: TensorData, shape: number[]): void
  /** One run at a time per binding. The event loop lives meanwhile. */
  run(): Promise<void>
  release(): void
}

let environment: Pointer | undefined
let cpuMemory: Pointer | undefined

export type ThreadOptions = {
  /** Of one run; more than cores is slower. */
  threads: number
  /**
   * How long a thread that has done its part looks for more before it sleeps, in microseconds. A node of a small model takes about
   * ten. Longer is faster where every core is the engine's own, and much slower where others want them.
   */
  spinUs: number
}

/**
 * @throws Error when the file is no graph that this library can run
 */
export function openSession(graphFile: string, threads: ThreadOptions): OrtSession {
  const env = ortEnvironment()
  const options = sessionOptions(threads)
  const session = create((out) => ort.CreateSession(env, graphFile, options, out))
  ort.ReleaseSessionOptions(options)
  return ownedSession(session)
}

/**
 * The same for a graph that lies in memory, on another thread: runs of other sessions go on meanwhile.
 * @param weightsFolder where the files lie that the graph refers to
 */
export async function openSessionFromBytes(
  graph: Uint8Array,
  weightsFolder: string,
  threads: ThreadOptions,
): Promise<OrtSession> {
  const env = ortEnvironment()
  const options = sessionOptions(threads)
  check(ort.AddSessionConfigEntry(options, 'session.model_external_initializers_file_folder_path', weightsFolder))
  // Neither may move while native code has their addresses.
  const bytes = new Uint8Array(new ArrayBuffer(graph.length))
  bytes.set(graph)
  const out = new BigUint64Array(new ArrayBuffer(8))
  return new Promise((resolve, reject) => {
    ort.CreateSessionFromArray.async(env, bytes, bytes.length, options, out, (error, status) => {
      ort.ReleaseSessionOptions(options)
      try {
        if (error !== null) throw error
        check(status)
        const session = out[0]
        // Touches the bytes after the call, so that no optimiser may call them dead before it.
        if (!session || bytes.length === 0) throw new Error('ONNX Runtime created no session and reported no error.')
        resolve(ownedSession(session))
      } catch (cause) {
        reject(cause)
      }
    })
  })
}

function ortEnvironment(): Pointer {
  environment ??= create((out) => ort.CreateEnv(LOG_ERRORS, 'perigee', out))
  return environment
}

function sessionOptions({ threads, spinUs }: ThreadOptions): Pointer {
  const options = create((out) => ort.CreateSessionOptions(out))
  check(ort.SetIntraOpNumThreads(options, threads))
  check(ort.AddSessionConfigEntry(options, 'session.intra_op.allow_spinning', spinUs > 0 ? '1' : '0'))
  if (spinUs > 0) check(ort.AddSessionConfigEntry(options, 'session.intra_op.spin_duration_us', String(spinUs)))
  check(ort.SetSessionGraphOptimizationLevel(options, OPTIMISE_ALL))
  return options
}

function ownedSession(session: Pointer): OrtSession {
  const runOptions = create((out) => ort.CreateRunOptions(out))
  return {
    bind: () => openBinding(session, runOptions),
    close() {
      ort.ReleaseRunOptions(runOptions)
      ort.ReleaseSession.async(session, trimHeap)
    },
  }
}

function openBinding(session: Pointer, runOptions: Pointer): OrtBinding {
  const binding = create((out) => ort.CreateIoBinding(session, out))
  const kept = new Map<string, TensorData>()
  return {
    input(name, data, shape) {
      withTensor(data, shape, (value) => check(ort.BindInput(binding, name, value)))
      kept.set(`input ${name}`, data)
    },
    output(name, data, shape) {
      withTensor(data, shape, (value) => check(ort.BindOutput(binding, name, value)))
      kept.set(`output ${name}`, data)
    },
    run: () =>
      new Promise((resolve, reject) => {
        ort.RunWithBinding.async(session, runOptions, binding, (error, status) => {
          // Touches the arrays after the call, so that no optimiser may call them dead before it.
          if (error !== null || kept.size === 0) return reject(error ?? new Error('A run without inputs.'))
          try {
            check(status)
            resolve()
          } catch (cause) {
            reject(cause)
          }
        })
      }),
    release() {
      ort.ReleaseIoBinding(binding)
      kept.clear()
    },
  }
}

/** The binding takes its own reference to the tensor, so ours is released at once; the memory is never copied. */
function withTensor(data: TensorData, shape: number[], use: (value: Pointer) => void): void {
  cpuMemory ??= create((out) => ort.CreateCpuMemoryInfo(DEVICE_ALLOCATOR, DEFAULT_MEMORY, out))
  const memory = cpuMemory
  const elements = shape.reduce((product, size) => product * size, 1)
  if (elements !== data.length) throw new Error(`A tensor of shape [${shape}] over ${data.length} elements.`)
  const dimensions = BigInt64Array.from(shape, BigInt)
  const type = data instanceof Float32Array ? FLOAT : data instanceof Int32Array ? INT32 : INT64
  const value = create((out) =>
    ort.CreateTensorWithDataAsOrtValue(memory, data, data.byteLength, dimensions, dimensions.length, type, out),
  )
  try {
    use(value)
  } finally {
    ort.ReleaseValue(value)
  }
}
