/**
 * ONNX Runtime's shared library, as it lies inside the npm package onnxruntime-node, and the root of its C API.
 * Only the library is used: the package's JavaScript API blocks the event loop and copies the KV cache at every step.
 */
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import koffi, { type LibraryHandle } from 'koffi'

/** A native address. koffi 3 speaks of pointers as bigint; a null pointer comes back as null. */
export type Pointer = bigint

/**
 * The version of the OrtApi table that ort-api.ts was written against. The table is append-only: a library that knows this
 * version has the same functions at the same indices, whatever its own version is; one that does not returns null.
 */
export const ORT_API_VERSION = 22

const FILE_BY_PLATFORM: Record<string, string> = {
  'linux-x64': 'linux/x64/libonnxruntime.so.1',
  'linux-arm64': 'linux/arm64/libonnxruntime.so.1',
  'darwin-arm64': 'darwin/arm64/libonnxruntime.1.dylib',
}

/** @throws Error on a platform that the package carries no library for */
export function ortLibraryPath(platform: string = process.platform, arch: string = process.arch): string {
  const file = FILE_BY_PLATFORM[`${platform}-${arch}`]
  if (file === undefined) {
    const known = Object.keys(FILE_BY_PLATFORM).join(', ')
    throw new Error(`The inference engine does not run on ${platform}-${arch}; it runs on ${known}.`)
  }
  const packageFile = createRequire(import.meta.url).resolve('onnxruntime-node/package.json')
  return join(dirname(packageFile), 'bin', 'napi-v6', file)
}

/**
 * Exported and module-wide on purpose: koffi unloads a library whose handle was collected, after which every function
 * pointer taken from it jumps into nothing.
 */
export const ortLibrary: LibraryHandle = koffi.load(ortLibraryPath())

/** The OrtApi table (an array of function pointers) and the library's own version, such as "1.30.0". */
export const ortRoot: { table: Pointer; version: string } = openRoot()

function openRoot() {
  const base: Pointer = ortLibrary.func('OrtGetApiBase', 'void *', [])()
  const [getApiAddress, getVersionAddress] = koffi.decode(base, koffi.array('uintptr_t', 2))
  const getApi = koffi.decode(BigInt(getApiAddress), koffi.proto('OrtGetApi', 'void *', ['uint32_t']))
  const getVersion = koffi.decode(BigInt(getVersionAddress), koffi.proto('OrtGetVersion', 'const char *', []))
  const version: string = getVersion()
  const table: Pointer | null = getApi(ORT_API_VERSION)
  if (!table) throw new Error(`ONNX Runtime ${version} does not know version ${ORT_API_VERSION} of its C API.`)
  return { table, version }
}
