/**
 * The functions of ONNX Runtime's C API that the engine calls, typed. The numbers are their places in the OrtApi table
 * (onnxruntime_c_api.h), which is append-only, so they hold for every library that knows ORT_API_VERSION.
 */
import koffi from 'koffi'
import { ORT_API_VERSION, ortRoot, type Pointer } from './ort-library.ts'

/** Null when the call went well. */
type Status = Pointer | null
/** One element that the call writes an address into. */
type Out = BigUint64Array
type Bytes = NodeJS.TypedArray

export type OrtApi = {
  CreateStatus(code: number, message: string): Pointer
  GetErrorCode(status: Pointer): number
  GetErrorMessage(status: Pointer): string
  CreateEnv(logLevel: number, logId: string, out: Out): Status
  CreateSession(env: Pointer, path: string, options: Pointer, out: Out): Status
  CreateSessionFromArray: {
    (env: Pointer, model: Bytes, modelBytes: number, options: Pointer, out: Out): Status
    /** On a worker thread of koffi's. The arrays must not move or be collected meanwhile. */
    async(
      env: Pointer,
      model: Bytes,
      modelBytes: number,
      options: Pointer,
      out: Out,
      done: (error: Error | null, status: Status) => void,
    ): void
  }
  CreateSessionOptions(out: Out): Status
  SetSessionGraphOptimizationLevel(options: Pointer, level: number): Status
  SetIntraOpNumThreads(options: Pointer, threads: number): Status
  AddSessionConfigEntry(options: Pointer, key: string, value: string): Status
  CreateRunOptions(out: Out): Status
  CreateTensorWithDataAsOrtValue(
    memory: Pointer,
    data: Bytes,
    dataBytes: number,
    shape: BigInt64Array,
    shapeLength: number,
    elementType: number,
    out: Out,
  ): Status
  CreateCpuMemoryInfo(allocatorType: number, memoryType: number, out: Out): Status
  CreateIoBinding(session: Pointer, out: Out): Status
  BindInput(binding: Pointer, name: string, value: Pointer): Status
  BindOutput(binding: Pointer, name: string, value: Pointer): Status
  RunWithBinding: {
    (session: Pointer, options: Pointer, binding: Pointer): Status
    /** On a worker thread of koffi's; the event loop lives. */
    async(
      session: Pointer,
      options: Pointer,
      binding: Pointer,
      done: (error: Error | null, status: Status) => void,
    ): void
  }
  ReleaseStatus(status: Pointer): void
  /** Takes tens of milliseconds, and so goes on a worker thread of koffi's. */
  ReleaseSession: { async(session: Pointer, done: (error: Error | null) => void): void }
  ReleaseValue(value: Pointer): void
  ReleaseRunOptions(options: Pointer): void
  ReleaseSessionOptions(options: Pointer): void
  ReleaseIoBinding(binding: Pointer): void
}

const POINTER = 'void *'
const TEXT = 'const char *'

/** name: [index in the table, result, arguments] */
const FUNCTIONS: Record<keyof OrtApi, [index: number, result: string, args: string[]]> = {
  CreateStatus: [0, POINTER, ['int', TEXT]],
  GetErrorCode: [1, 'int', [POINTER]],
  GetErrorMessage: [2, TEXT, [POINTER]],
  CreateEnv: [3, POINTER, ['int', TEXT, POINTER]],
  CreateSession: [7, POINTER, [POINTER, TEXT, POINTER, POINTER]],
  CreateSessionFromArray: [8, POINTER, [POINTER, POINTER, 'size_t', POINTER, POINTER]],
  CreateSessionOptions: [10, POINTER, [POINTER]],
  SetSessionGraphOptimizationLevel: [23, POINTER, [POINTER, 'int']],
  SetIntraOpNumThreads: [24, POINTER, [POINTER, 'int']],
  CreateRunOptions: [39, POINTER, [POINTER]],
  CreateTensorWithDataAsOrtValue: [49, POINTER, [POINTER, POINTER, 'size_t', POINTER, 'size_t', 'int', POINTER]],
  CreateCpuMemoryInfo: [69, POINTER, ['int', 'int', POINTER]],
  ReleaseStatus: [93, 'void', [POINTER]],
  ReleaseSession: [95, 'void', [POINTER]],
  ReleaseValue: [96, 'void', [POINTER]],
  ReleaseRunOptions: [97, 'void', [POINTER]],
  ReleaseSessionOptions: [100, 'void', [POINTER]],
  AddSessionConfigEntry: [130, POINTER, [POINTER, TEXT, TEXT]],
  RunWithBinding: [133, POINTER, [POINTER, POINTER, POINTER]],
  CreateIoBinding: [134, POINTER, [POINTER, POINTER]],
  ReleaseIoBinding: [135, 'void', [POINTER]],
  BindInput: [136, POINTER, [POINTER, TEXT, POINTER]],
  BindOutput: [137, POINTER, [POINTER, TEXT, POINTER]],
}

export const ort: OrtApi = bindTable()

/** Throws what went wrong, in ONNX Runtime's words, and frees the status. */
export function check(status: Pointer | null): void {
  if (!status) return
  const message = ort.GetErrorMessage(status)
  ort.ReleaseStatus(status)
  throw new Error(`ONNX Runtime: ${message}`)
}

/** Calls a function whose last argument receives an address, and returns the address. */
export function create(call: (out: BigUint64Array) => Pointer | null): Pointer {
  const out = new BigUint64Array(1)
  check(call(out))
  const pointer = out[0]
  if (!pointer) throw new Error('ONNX Runtime created nothing and reported no error.')
  return pointer
}

function bindTable(): OrtApi {
  const entries = Object.entries(FUNCTIONS)
  const length = Math.max(...entries.map(([, [index]]) => index)) + 1
  const addresses: (number | bigint)[] = koffi.decode(ortRoot.table, koffi.array('uintptr_t', length))
  const bound: Record<string, unknown> = {}
  for (const [name, [index, result, args]] of entries) {
    bound[name] = koffi.decode(BigInt(addresses[index] ?? 0), koffi.proto(`Ort${name}`, result, args))
  }
  // Sound because FUNCTIONS is keyed by exactly the names of OrtApi and declares the C signatures behind its types.
  const api = bound as unknown as OrtApi
  verifyTable(api)
  return api
}

/** A wrong index would be a jump into another function: prove the table with calls that touch nothing but their arguments. */
function verifyTable(api: OrtApi): void {
  const INVALID_ARGUMENT = 2
  const status = api.CreateStatus(INVALID_ARGUMENT, 'perigee')
  const sound = api.GetErrorCode(status) === INVALID_ARGUMENT && api.GetErrorMessage(status) === 'perigee'
  api.ReleaseStatus(status)
  if (!sound)
    throw new Error(`The table of ONNX Runtime ${ortRoot.version} is not that of API version ${ORT_API_VERSION}.`)
}
