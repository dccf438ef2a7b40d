/**
 * `npm run lock`: adds to package-lock.json the optional platform packages that the registry in use could not resolve.
 *
 * npm writes a lock without an optional package that its registry does not list (a mirror that lags, say), and then refuses
 * that lock: `npm ci` says "Missing: NAME from lock file". An entry without an integrity hash is accepted, and the machine
 * whose platform it is fetches it by name and version. Run after every `npm install` that changes the lock.
 */
import { readFileSync, writeFileSync } from 'node:fs'

type LockedPackage = {
  version?: string
  dev?: boolean
  optional?: boolean
  os?: string[]
  cpu?: string[]
  libc?: string[]
  optionalDependencies?: Record<string, string>
}

const OS_BY_WORD: Record<string, string> = {
  android: 'android',
  darwin: 'darwin',
  mac: 'darwin',
  freebsd: 'freebsd',
  linux: 'linux',
  netbsd: 'netbsd',
  openbsd: 'openbsd',
  openharmony: 'openharmony',
  sunos: 'sunos',
  aix: 'aix',
  win32: 'win32',
  win: 'win32',
  windows: 'win32',
}
const CPU_BY_WORD: Record<string, string> = { arm64: 'arm64', x64: 'x64', '64': 'x64', arm: 'arm', ia32: 'ia32' }

/** The lock path at which Node would find `name` when it is required from the package at `from`, or undefined. */
function resolve(packages: Record<string, LockedPackage>, from: string, name: string): string | undefined {
  for (let folder = from; ; ) {
    const path = folder ? `${folder}/node_modules/${name}` : `node_modules/${name}`
    if (packages[path]) return path
    if (!folder) return undefined
    const parent = folder.lastIndexOf('node_modules/')
    folder = parent <= 0 ? '' : folder.slice(0, parent - 1)
  }
}

const file = process.argv[2] ?? 'package-lock.json'
const lock = JSON.parse(readFileSync(file, 'utf8')) as { packages: Record<string, LockedPackage> }
const packages = lock.packages
let added = 0

for (const [at, locked] of Object.entries({ ...packages })) {
  for (const [name, range] of Object.entries(locked.optionalDependencies ?? {})) {
    const found = resolve(packages, at, name)
    if (found && (packages[found]?.version === range || !/^\d/.test(range))) continue
    const words = (name.split('/').pop() ?? name).split(/[-.]/)
    const os = words.map((word) => OS_BY_WORD[word]).find(Boolean)
    const cpu = words.map((word) => CPU_BY_WORD[word]).find(Boolean)
    if (!os) continue // Not a platform package: npm itself must resolve it.
    const path = packages[`node_modules/${name}`] ? `${at}/node_modules/${name}` : `node_modules/${name}`
    packages[path] = {
      version: range.replace(/^[\^~]/, ''),
      ...(cpu ? { cpu: [cpu] } : {}),
      ...(locked.dev ? { dev: true } : {}),
      ...(words.includes('musl') ? { libc: ['musl'] } : {}),
      optional: true,
      os: [os],
    }
    added += 1
  }
}

lock.packages = Object.fromEntries(Object.entries(packages).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)))
writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`)
console.log(`${file}: ${added} platform packages added`)
