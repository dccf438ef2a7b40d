/** `npm run openapi`: writes src/http/openapi/openapi.json from the schemas and the route table. A test says when it is due. */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..')
const target = join(root, 'src/http/openapi/openapi.json')

// The route table imports the document that is made from it.
if (!existsSync(target)) writeFileSync(target, '{}\n')
const { routes } = await import('../src/http/route-table.ts')
const { buildOpenApiDocument } = await import('../src/http/openapi/build-document.ts')

const { version }: { version: string } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
writeFileSync(target, JSON.stringify(buildOpenApiDocument({ routes, version })))
const formatted = spawnSync(join(root, 'node_modules/.bin/biome'), ['format', '--write', target], { stdio: 'inherit' })
process.exitCode = formatted.status ?? 1
