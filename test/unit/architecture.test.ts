/** The layout of ARCHITECTURE.md, held against the code: who may import whom, no cycles, nothing documented that is not there. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { describe, expect, test } from 'vitest'
import { ERRORS } from '../../src/errors.ts'

const ROOT = resolve(import.meta.dirname, '../..')

type Import = { specifier: string; typeOnly: boolean }

function sourceFiles(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts') && !entry.parentPath.includes('node_modules'))
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)))
    .sort()
}

/** Comments may quote code. Strings are kept as they are: they may hold what looks like a comment. */
function withoutComments(text: string): string {
  const stringOrComment = /('(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`)|\/\*[\s\S]*?\*\/|\/\/[^\n]*/g
  return text.replace(stringOrComment, (_, string: string | undefined) => string ?? '')
}

/** Every import, export-from and dynamic import, wherever on a line it stands. One whose path is no literal is named `(computed)`. */
function importsIn(source: string): Import[] {
  const text = withoutComments(source)
  const found: Import[] = []
  for (const match of text.matchAll(/\b(?:import|export)\s+(type\s)?[^'"`;()=]*?\bfrom\s*['"]([^'"]+)['"]/g)) {
    found.push({ specifier: match[2] ?? '', typeOnly: match[1] !== undefined })
  }
  for (const match of text.matchAll(/\bimport\s*(?:['"]([^'"]+)['"]|\(\s*(?:['"`]([^'"`$]+)['"`])?)/g)) {
    found.push({ specifier: match[1] ?? match[2] ?? '(computed)', typeOnly: false })
  }
  return found
}

function importsOf(file: string): Import[] {
  return importsIn(readFileSync(join(ROOT, file), 'utf8'))
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
const PLATFORM_CLASSES =
  /^src\/(auth\/sign-in-guard|budgets\/budget-object|conversation\/conversation|directory\/config-object|health\/endpoints-object|health\/health-object|limits\/limit-object|observe\/metrics-object|request-log\/request-log-object)\.ts$/
/** What hosts the completion sequence inside a Durable Object, beside the Worker's own routes. */
const HOST = /^src\/conversation\/(conversation|answer-turn)\.ts$/
const LAYERS = new Set([
  'worker.ts',
  'edge.ts',
  'app.ts',
  'whole-app.ts',
  'wiring.ts',
  'config.ts',
  'env.ts',
  'errors.ts',
  'while-store-answers.ts',
  'upstash-command.ts',
  'contract/',
  'http/',
  'chat/',
  'wiring/',
])

/** Whether `from` may import `to`; both are paths in src. The rule of the design, one line a layer. */
function mayImport(from: string, to: string, typeOnly: boolean): boolean {
  const source = partOf(from)
  const target = partOf(to)
  if (source === target && target.endsWith('/')) return true
  if (target === 'errors.ts') return source !== 'contract/'
  if (target === 'while-store-answers.ts') return !['contract/', 'chat/', 'http/', 'app.ts'].includes(source)
  if (target === 'upstash-command.ts') return ['cache/', 'limits/'].includes(source)
  switch (source) {
    case 'worker.ts':
      return target === 'edge.ts' || PLATFORM_CLASSES.test(to)
    case 'edge.ts':
    case 'whole-app.ts':
      if (['app.ts', 'wiring.ts'].includes(target) || to === 'src/wiring/control-plane.ts') return true
      return target === 'whole-app.ts' || target === 'http/' || (target === 'env.ts' && typeOnly)
    case 'app.ts':
      return target === 'http/' || (target === 'env.ts' && typeOnly)
    case 'wiring.ts':
    case 'wiring/':
      return (
        !['app.ts', 'edge.ts', 'whole-app.ts', 'worker.ts', 'wiring.ts'].includes(target) &&
        (target !== 'http/' || to === 'src/http/ports.ts')
      )
    case 'config.ts':
      return target === 'env.ts' && typeOnly
    case 'env.ts':
      return PLATFORM_CLASSES.test(to) && typeOnly
    case 'errors.ts':
    case 'while-store-answers.ts':
    case 'upstash-command.ts':
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
  'edge.ts': /^hono(\/|$)/,
  'whole-app.ts': /^hono$/,
  'http/': /^(hono(\/|$)|zod\/mini$)/,
  'wiring.ts': /^cloudflare:workers$/,
  'wiring/': /^cloudflare:workers$/,
  'budgets/': /^(cloudflare:workers|node:buffer)$/,
  'auth/': /^(node:crypto|cloudflare:workers|jose|zod\/mini)$/,
  'cache/': /^node:crypto$/,
  'upstream/': /^(zod\/mini|@aws-sdk\/client-sagemaker-runtime)$/,
  'conversation/': /^(cloudflare:workers|zod\/mini)$/,
  'health/': /^(cloudflare:workers|node:crypto)$/,
  'limits/': /^(cloudflare:workers|zod\/mini|@upstash\/ratelimit)$/,
  'observe/': /^cloudflare:workers$/,
  'request-log/': /^cloudflare:workers$/,
  'prompts/': /^diff$/,
  'directory/': /^cloudflare:workers$/,
}

test('the architecture test sees the code', () => {
  expect(srcFiles.length).toBeGreaterThan(20)
  expect(functionFiles.length).toBeGreaterThan(20)
  expect(srcFiles.flatMap(importsOf).length).toBeGreaterThan(srcFiles.length)
  expect(importsOf('src/worker.ts').length).toBeGreaterThan(1)
})

test.each<[string, Import[]]>([
  ["import { a } from './x.ts'", [{ specifier: './x.ts', typeOnly: false }]],
  ["import type { a } from './x.ts'", [{ specifier: './x.ts', typeOnly: true }]],
  ["import {\n  a,\n} from './x.ts'", [{ specifier: './x.ts', typeOnly: false }]],
  ["export * from './x.ts'", [{ specifier: './x.ts', typeOnly: false }]],
  ["import './x.ts'", [{ specifier: './x.ts', typeOnly: false }]],
  ["const a = 1; import './x.ts'", [{ specifier: './x.ts', typeOnly: false }]],
  ["; import { a } from './x.ts'", [{ specifier: './x.ts', typeOnly: false }]],
  ["await import(\n  './x.ts'\n)", [{ specifier: './x.ts', typeOnly: false }]],
  ["import(/* late */ './x.ts')", [{ specifier: './x.ts', typeOnly: false }]],
  ['import(`./x.ts`)', [{ specifier: './x.ts', typeOnly: false }]],
  ['import(name)', [{ specifier: '(computed)', typeOnly: false }]],
  ["const all = 'src/**'\nimport './x.ts'\nconst rest = '*/'", [{ specifier: './x.ts', typeOnly: false }]],
  ["// import './x.ts'\n/* import './x.ts' */ import.meta.url", []],
])('an import is seen in %j', (source, imports) => {
  expect(importsIn(source)).toEqual(imports)
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

test('src/chat has no clock, no chance and no network: they come through its ports', () => {
  const forbidden =
    /(?<![.\w])(?:Date|performance|setTimeout|setInterval|setImmediate|queueMicrotask|fetch|crypto|globalThis|process)\b(?!['":?])|\bMath\s*\.\s*random\b/
  expect(forbidden.exec('const at = Date.now()')?.[0]).toBe('Date')
  const files = srcFiles.filter((file) => file.startsWith('src/chat/'))
  expect(files.length).toBeGreaterThan(5)
  const found = files.flatMap((file) => {
    const match = forbidden.exec(withoutComments(readFileSync(join(ROOT, file), 'utf8')))
    return match ? [`${file}: ${match[0]}`] : []
  })
  expect(found).toEqual([])
})

/** The files and folders that a document names, in its order, and those that are not there. */
function pathsIn(text: string): { named: number; missing: string[] } {
  const names = text.matchAll(/[`(]((?:src|functions|infra|test|docs|scripts|\.ci)\/[\w./-]*)[`)#]|`([\w.-]+\.ts)`/g)
  const missing: string[] = []
  let named = 0
  let folder = '(none)'
  for (const [, path, bare] of names) {
    named += 1
    const isThere = existsSync(join(ROOT, path ?? join(folder, bare ?? '')))
    if (!isThere) missing.push(path ?? bare ?? '')
    if (path !== undefined) folder = path.endsWith('/') ? path : dirname(path)
  }
  return { named, missing }
}

/** The text of each `expect(...)` with the calls chained to it, and of each helper whose name begins so. */
function assertionsIn(source: string): string[] {
  const text = withoutComments(source)
  return [...text.matchAll(/\bexpect\w*\(/g)].map(({ index }) => {
    let depth = 0
    let end = index
    for (; end < text.length; end++) {
      const character = text[end]
      if (character === '(') depth += 1
      if (character === ')') depth -= 1
      if (character === ')' && depth === 0 && !/^\)\s*\./.test(text.slice(end, end + 40))) break
    }
    return text.slice(index, end)
  })
}

describe('documents', () => {
  const read = (file: string) => readFileSync(join(ROOT, file), 'utf8')

  test.each([
    'ARCHITECTURE.md',
    'README.md',
    'CONTRIBUTING.md',
    'docs/testing.md',
    'docs/storage.md',
    'docs/budgets.md',
    'docs/routing.md',
    'docs/providers.md',
    'docs/first-hour.md',
    'docs/performance.md',
    'docs/users.md',
    'docs/limits.md',
    'docs/health.md',
    'docs/security.md',
  ])('%s names only paths that exist', (document) => {
    const { named, missing } = pathsIn(read(document))
    expect(named).toBeGreaterThan(document.startsWith('docs/') ? 0 : 1)
    expect(missing).toEqual([])
  })

  test('docs/storage.md tells of every Durable Object and every table of D1', () => {
    const classes = [...read('src/worker.ts').matchAll(/export \{ (\w+) \}/g)].map((m) => `| \`${m[1]}\` |`)
    const tables = readdirSync(join(ROOT, 'migrations')).flatMap((file) =>
      [...read(`migrations/${file}`).matchAll(/CREATE TABLE (\w+)/g)].map((m) => `\`${m[1]}\``),
    )
    expect([classes.length > 4, tables.length > 10]).toEqual([true, true])
    const storage = read('docs/storage.md')
    expect([...classes, ...tables].filter((name) => !storage.includes(name))).toEqual([])
  })

  test('docs/security.md names tests that are there', () => {
    let file = ''
    const named: string[] = []
    const missing: string[] = []
    for (const [, path, sentence] of read('docs/security.md').matchAll(/`(test\/[\w./-]+\.test\.ts)`|"([^"\n]+)"/g)) {
      if (path !== undefined) file = path
      if (sentence === undefined) continue
      named.push(sentence)
      if (file === '' || !read(file).includes(sentence)) missing.push(`${file}: ${sentence}`)
    }
    expect(named.length).toBeGreaterThan(50)
    expect(missing).toEqual([])
  })

  test('commands are named as npm scripts, which bring the Node that runs them, and those exist', () => {
    const { scripts } = JSON.parse(read('package.json'))
    const text = ['README.md', 'CONTRIBUTING.md', 'docs/testing.md', 'docs/performance.md', 'docs/users.md']
      .map(read)
      .join('\n')
    const named = [...text.matchAll(/\bnpm run (?:-s )?([\w:-]*\w)/g)].map((m) => m[1] ?? '')
    expect(named.length).toBeGreaterThan(10)
    expect(named.filter((name) => !Object.hasOwn(scripts, name))).toEqual([])
    expect(text).not.toMatch(/`node (scripts|functions|test)\//)
  })

  test('a bare file name stands for one in the folder that was named last', () => {
    const text =
      '`x.ts` is nowhere yet. `src/chat/complete.ts`, `ports.ts`; `src/http/` has `route.ts`, not `complete.ts`.'
    expect(pathsIn(text)).toEqual({ named: 6, missing: ['x.ts', 'complete.ts'] })
  })

  test('README.md lists every setting of the edge, of the inference server and of the tools', () => {
    const tools = [...sourceFiles('scripts'), ...sourceFiles('test/bench')]
    expect(tools.length).toBeGreaterThan(20)
    const used = [...srcFiles, ...functionFiles, ...tools].flatMap((file) =>
      [...read(file).matchAll(/(?<!\$)\bPERIGEE_[A-Z0-9_]+\b/g)].map((m) => m[0]),
    )
    const settings = [...new Set(used)]
    expect(settings.length).toBeGreaterThan(10)
    const readme = read('README.md')
    expect(settings.filter((name) => !readme.includes(`\`${name}\``))).toEqual([])
    const documented = [...new Set([...readme.matchAll(/`(PERIGEE_[A-Z0-9_]+)`/g)].map((m) => m[1] ?? ''))]
    expect(documented.filter((name) => !settings.includes(name))).toEqual([])
  })

  test('docs/errors.md has a row for every error code, with its status', () => {
    const rows = [...read('docs/errors.md').matchAll(/^\| `([a-z_]+)` \| (\d+) \|/gm)].map((m) => [m[1], Number(m[2])])
    const table = Object.entries(ERRORS).map(([code, { status }]) => [code, status])
    expect(rows.sort()).toEqual(table.sort())
  })

  test('every error code is produced by a test: it is in an assertion, or beside its status in a table of expectations', () => {
    const tests = sourceFiles('test').filter(
      (file) => file.endsWith('.test.ts') && !file.endsWith('architecture.test.ts'),
    )
    const texts = tests.map(read)
    const asserted = texts.flatMap(assertionsIn).join('\n')
    const inTables = texts.join('\n')
    const untested = Object.entries(ERRORS).filter(
      ([code, { status }]) => !asserted.includes(`'${code}'`) && !inTables.includes(`${status}, '${code}'`),
    )
    expect(untested).toEqual([])
  })

  test('README.md and the pages of docs/ list every route of the edge once, and only those', async () => {
    const { routes } = await import('../../src/http/route-table.ts')
    const pages = [
      'README.md',
      ...readdirSync(join(ROOT, 'docs'))
        .filter((name) => name.endsWith('.md'))
        .map((name) => `docs/${name}`),
    ]
    const rows = [
      ...pages
        .map(read)
        .join('\n')
        .matchAll(/^\| `(GET|POST|PUT|PATCH|DELETE) (\/\S*)` \|/gm),
    ].map((m) => `${m[1]} ${m[2]}`)
    expect(rows.sort()).toEqual(routes.map((route) => `${route.method} ${route.path}`).sort())
  })
})
