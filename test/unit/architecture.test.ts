/** The layout of ARCHITECTURE.md, held against the code: who may import whom, no cycles, nothing documented that is not there. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { describe, expect, test } from 'vitest'

const ROOT = resolve(import.meta.dirname, '../..')

type Import = { specifier: string; typeOnly: boolean }

function sourceFiles(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts') && !entry.parentPath.includes('node_modules'))
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)))
    .sort()
}

/** Every import, export-from and dynamic import of a file. Comments are removed first: they may quote code. */
function importsOf(file: string): Import[] {
  const text = readFileSync(join(ROOT, file), 'utf8')
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(/^\s*\/\/.*$/gm, '')
  const found: Import[] = []
  for (const match of text.matchAll(/^(?:import|export)\s+(type\s)?[^'"`;]*?from\s*['"]([^'"]+)['"]/gm)) {
    found.push({ specifier: match[2] ?? '', typeOnly: match[1] !== undefined })
  }
  for (const match of text.matchAll(/(?:^import\s*|\bimport\()['"]([^'"]+)['"]/gm)) {
    found.push({ specifier: match[1] ?? '', typeOnly: false })
  }
  return found
}

function resolveImport(file: string, specifier: string): string | undefined {
  return specifier.startsWith('.') ? relative(ROOT, resolve(ROOT, dirname(file), specifier)) : undefined
}

const srcFiles = sourceFiles('src')
const functionFiles = sourceFiles('functions')
const infraFiles = existsSync(join(ROOT, 'infra')) ? sourceFiles('infra') : []

/** Top folder of a file in src: `chat`, `http`, ..., or the file itself where it stands at the top. */
function partOf(file: string): string {
  const [, first = '', second] = file.split('/')
  return second === undefined ? first : `${first}/`
}

/** Files of capabilities that are classes the platform instantiates: they wire themselves, since nobody can pass them ports. */
const PLATFORM_CLASSES = /^src\/(conversation\/conversation|observe\/metrics-object)\.ts$/
/** What hosts the completion sequence inside a Durable Object, beside the Worker's own routes. */
const HOST = /^src\/conversation\/(conversation|answer-turn)\.ts$/
const LAYERS = new Set([
  'worker.ts',
  'app.ts',
  'wiring.ts',
  'config.ts',
  'env.ts',
  'errors.ts',
  'contract/',
  'http/',
  'chat/',
])

/** Whether `from` may import `to`; both are paths in src. The rule of the design, one line a layer. */
function mayImport(from: string, to: string, typeOnly: boolean): boolean {
  const source = partOf(from)
  const target = partOf(to)
  if (source === target && target.endsWith('/')) return true
  if (target === 'errors.ts') return source !== 'contract/'
  switch (source) {
    case 'worker.ts':
      return target === 'app.ts' || PLATFORM_CLASSES.test(to)
    case 'app.ts':
      return ['http/', 'wiring.ts', 'config.ts', 'env.ts', 'contract/'].includes(target)
    case 'wiring.ts':
      return !['app.ts', 'worker.ts'].includes(target) && (target !== 'http/' || to === 'src/http/ports.ts')
    case 'config.ts':
      return target === 'env.ts' && typeOnly
    case 'env.ts':
      return PLATFORM_CLASSES.test(to) && typeOnly
    case 'errors.ts':
    case 'contract/':
      return false
    case 'http/':
      return ['chat/', 'contract/'].includes(target) || (target === 'env.ts' && typeOnly)
    case 'chat/':
      return target === 'contract/'
    default:
      if (target === 'contract/') return true
      if (to === 'src/chat/ports.ts' || to === 'src/http/ports.ts' || target === 'env.ts') return typeOnly
      return target === 'wiring.ts' ? PLATFORM_CLASSES.test(from) : HOST.test(from) && target === 'chat/'
  }
}

/** npm packages each part may import; a capability that is not listed may import none. */
const PACKAGES: Record<string, RegExp> = {
  'contract/': /^zod\/mini$/,
  'config.ts': /^zod\/mini$/,
  'app.ts': /^hono(\/|$)/,
  'http/': /^(hono(\/|$)|zod\/mini$)/,
  'wiring.ts': /^cloudflare:workers$/,
  'auth/': /^node:crypto$/,
  'upstream/': /^zod\/mini$/,
  'conversation/': /^(cloudflare:workers|zod\/mini)$/,
  'observe/': /^cloudflare:workers$/,
}

test('the architecture test sees the code', () => {
  expect(srcFiles.length).toBeGreaterThan(20)
  expect(functionFiles.length).toBeGreaterThan(20)
  expect(srcFiles.flatMap(importsOf).length).toBeGreaterThan(srcFiles.length)
  expect(importsOf('src/worker.ts').length).toBeGreaterThan(1)
})

describe('imports', () => {
  test('go in the direction of the design', () => {
    const wrong = srcFiles.flatMap((file) =>
      importsOf(file).flatMap(({ specifier, typeOnly }) => {
        const target = resolveImport(file, specifier)
        if (target === undefined)
          return (PACKAGES[partOf(file)] ?? /^$/).test(specifier) ? [] : [`${file} -> ${specifier}`]
        return mayImport(file, target, typeOnly) ? [] : [`${file} -> ${target}`]
      }),
    )
    expect(wrong).toEqual([])
  })

  test('of functions reach nothing of src but the contract, and infra reaches neither', () => {
    const wrong = [...functionFiles, ...infraFiles].flatMap((file) =>
      importsOf(file).flatMap(({ specifier }) => {
        const target = resolveImport(file, specifier)
        if (target === undefined || target.startsWith(`${file.split('/')[0]}/`)) return []
        return file.startsWith('functions/') && target.startsWith('src/contract/') ? [] : [`${file} -> ${target}`]
      }),
    )
    expect(wrong).toEqual([])
  })

  test('all lead to files that exist, without a cycle at run time', () => {
    const edges = new Map(
      [...srcFiles, ...functionFiles].map((file) => [
        file,
        importsOf(file).flatMap(({ specifier, typeOnly }) => {
          const target = resolveImport(file, specifier)
          if (target !== undefined) expect(existsSync(join(ROOT, target)), `${file} -> ${target}`).toBe(true)
          return target === undefined || typeOnly ? [] : [target]
        }),
      ]),
    )
    const done = new Set<string>()
    const walk = (file: string, path: string[]): string[] | undefined => {
      if (path.includes(file)) return [...path.slice(path.indexOf(file)), file]
      if (done.has(file)) return undefined
      for (const next of edges.get(file) ?? []) {
        const cycle = walk(next, [...path, file])
        if (cycle) return cycle
      }
      done.add(file)
      return undefined
    }
    for (const file of edges.keys()) expect(walk(file, [])).toBeUndefined()
  })

  test('name every layer of the design', () => {
    const unknownFiles = srcFiles.filter((file) => !partOf(file).endsWith('/') && !LAYERS.has(partOf(file)))
    expect(unknownFiles).toEqual([])
  })
})

describe('documents', () => {
  const read = (file: string) => readFileSync(join(ROOT, file), 'utf8')

  test.each([
    'ARCHITECTURE.md',
    'README.md',
    'CONTRIBUTING.md',
    'docs/testing.md',
    'docs/storage.md',
    'docs/performance.md',
  ])('%s names only paths that exist', (document) => {
    const paths = [
      ...read(document).matchAll(/[`(]((?:src|functions|infra|test|docs|scripts|\.ci)\/[\w./-]*)[`)#]/g),
    ].map((m) => m[1] ?? '')
    expect(paths.length).toBeGreaterThan(document.startsWith('docs/') ? 0 : 1)
    expect(paths.filter((path) => !existsSync(join(ROOT, path)))).toEqual([])
  })

  test('README.md lists every setting of the edge and of the inference server', () => {
    const used = [...srcFiles, ...functionFiles].flatMap((file) =>
      [...read(file).matchAll(/(?<!\$)\bPERIGEE_[A-Z0-9_]+\b/g)].map((m) => m[0]),
    )
    const settings = [...new Set(used)]
    expect(settings.length).toBeGreaterThan(10)
    const readme = read('README.md')
    expect(settings.filter((name) => !readme.includes(`\`${name}\``))).toEqual([])
    const documented = [...new Set([...readme.matchAll(/`(PERIGEE_[A-Z0-9_]+)`/g)].map((m) => m[1] ?? ''))]
    expect(documented.filter((name) => !settings.includes(name))).toEqual([])
  })

  test('docs/errors.md has a row for every error code, and every code is produced by a test', async () => {
    const { ERRORS } = await import('../../src/errors.ts')
    const codes = Object.keys(ERRORS)
    const documented = [...read('docs/errors.md').matchAll(/^\| `([a-z_]+)` \|/gm)].map((m) => m[1])
    expect(documented.sort()).toEqual([...codes].sort())
    const tests = sourceFiles('test').filter(
      (file) => file.endsWith('.test.ts') && !file.endsWith('architecture.test.ts'),
    )
    const text = tests.map(read).join('\n')
    expect(codes.filter((code) => !text.includes(`'${code}'`))).toEqual([])
  })

  test('README.md lists every route of the edge, and only those', async () => {
    const { routes } = await import('../../src/http/route-table.ts')
    const rows = [...read('README.md').matchAll(/^\| `(GET|POST|PUT|PATCH|DELETE) (\/\S*)` \|/gm)].map(
      (m) => `${m[1]} ${m[2]}`,
    )
    expect(rows.sort()).toEqual(routes.map((route) => `${route.method} ${route.path}`).sort())
  })
})
