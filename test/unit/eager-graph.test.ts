/** What an isolate evaluates before its first answer: everything that src/worker.ts reaches without an `import()`. */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { lazy } from '../../src/contract/lazy.ts'
import { eagerRoutes } from '../../src/http/eager-routes.ts'
import { routes } from '../../src/http/route-table.ts'

const ROOT = resolve(import.meta.dirname, '../..')

type Metafile = {
  outputs: Record<
    string,
    { imports: { path: string; kind: string; external?: boolean }[]; inputs: Record<string, { bytesInOutput: number }> }
  >
}
type Esbuild = { build(options: object): Promise<{ metafile: Metafile }> }

/** wrangler's own bundler. Lazily evaluated modules land in chunks of their own, so the entry's static imports are what is eager. */
async function eagerInputs(): Promise<Map<string, number>> {
  const fromWrangler = createRequire(createRequire(import.meta.url).resolve('wrangler/package.json'))
  const { build } = fromWrangler('esbuild') as Esbuild
  const { metafile } = await build({
    absWorkingDir: ROOT,
    entryPoints: ['src/worker.ts'],
    outdir: 'out',
    write: false,
    bundle: true,
    splitting: true,
    minify: true,
    metafile: true,
    format: 'esm',
    target: 'es2024',
    external: ['cloudflare:*', 'node:*'],
  })
  const found = new Map<string, number>()
  const seen = new Set<string>()
  const visit = (name: string) => {
    const output = metafile.outputs[name]
    if (!output || seen.has(name)) return
    seen.add(name)
    for (const [input, { bytesInOutput }] of Object.entries(output.inputs)) found.set(input, bytesInOutput)
    for (const { path, kind, external } of output.imports) if (!external && kind === 'import-statement') visit(path)
  }
  visit('out/worker.js')
  return found
}

const eager = await eagerInputs()
const isEager = (part: string) => [...eager.keys()].some((input) => input.includes(part))

describe('what every isolate evaluates', () => {
  test('is the request path, by what the bundler says', () => {
    expect(isEager('src/chat/complete.ts')).toBe(true)
    expect(isEager('node_modules/hono/')).toBe(true)
  })

  test.each([
    '@upstash/',
    'node_modules/jose/',
    'node_modules/diff/',
    'src/auth/password-hash.ts',
    'src/auth/fetch-jwks.ts',
    'src/filter/compile-rules.ts',
    'src/filter/fold-text.ts',
    'src/http/openapi/',
    'src/http/route-table.ts',
    'src/http/routes/admin-',
    'src/wiring/control-plane.ts',
    'src/request-log/request-sql.ts',
    'src/contract/budgets.ts',
    'src/contract/filter-rules.ts',
    'src/contract/limits.ts',
    'src/contract/prompt-template.ts',
    'src/contract/routing-config.ts',
  ])('has nothing of %s in it', (part) => {
    expect(isEager(part)).toBe(false)
  })

  test('is at most 320 kB minified, three fifths of the bundle', () => {
    const bytes = [...eager.values()].reduce((sum, size) => sum + size, 0)
    expect(bytes).toBeGreaterThan(100_000)
    expect(bytes).toBeLessThan(320_000)
  })
})

test('what is lazy is made once, when it is first asked for', () => {
  const make = vi.fn(() => ({}))
  const made = lazy(make)
  expect(make).not.toHaveBeenCalled()
  expect(made()).toBe(made())
  expect(make).toHaveBeenCalledOnce()
})

describe('eager routes', () => {
  test('are those of the table, and each of their paths with all its methods', () => {
    const paths = new Set(eagerRoutes.map(({ path }) => path))
    expect(routes.filter(({ path }) => paths.has(path))).toEqual([...eagerRoutes].sort(inTable))
    for (const route of eagerRoutes) expect(routes).toContain(route)
  })

  test('have no parameter: one look at the path tells', () => {
    expect(eagerRoutes.length).toBeGreaterThan(4)
    expect(eagerRoutes.filter(({ path }) => path.includes(':'))).toEqual([])
  })

  test('and the middleware ask for no port that only the whole app has', () => {
    const control = controlPorts()
    expect(control).toContain('keyAdmin')
    const files = [...eager.keys()].filter((input) => input.startsWith('src/http/'))
    expect(files.length).toBeGreaterThan(15)
    const asked = files.flatMap((file) =>
      portsAskedFor(readFileSync(join(ROOT, file), 'utf8')).map((port) => ({ file, port })),
    )
    expect(asked.map(({ port }) => port)).toEqual(expect.arrayContaining(['keys', 'complete', 'settings', 'limits']))
    expect(asked.filter(({ port }) => control.includes(port))).toEqual([])
  })

  test('are seen to ask for ports however they do', () => {
    expect(portsAskedFor("context.get('ports').users.get()")).toEqual(['users'])
    expect(portsAskedFor("const { signIn, complete: ports } = context.get('ports')")).toEqual(['signIn', 'complete'])
    expect(portsAskedFor("context.get('ports')?.settings.logLevel")).toEqual(['settings'])
  })
})

function inTable(a: (typeof routes)[number], b: (typeof routes)[number]): number {
  return routes.indexOf(a) - routes.indexOf(b)
}

/** The names of the type ControlPorts. */
function controlPorts(): string[] {
  const text = readFileSync(join(ROOT, 'src/http/ports.ts'), 'utf8')
  const body = /export type ControlPorts = \{([^}]*)\}/.exec(text)?.[1] ?? ''
  return [...body.matchAll(/^ {2}(\w+):/gm)].map((match) => match[1] ?? '')
}

function portsAskedFor(source: string): string[] {
  const direct = [...source.matchAll(/get\('ports'\)\??\.(\w+)/g)].map((match) => match[1] ?? '')
  const taken = [...source.matchAll(/\{([^{}]*)\} = context\.get\('ports'\)/g)].flatMap((match) =>
    (match[1] ?? '').split(',').map((name) => name.trim().split(':')[0] ?? ''),
  )
  return [...direct, ...taken]
}
