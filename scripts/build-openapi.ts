/**
 * `npm run openapi`: from the schemas and the route table writes src/http/openapi/openapi.json, for people and tests, and the same packed
 * into packed-document.ts, which is what the Worker has of it. A test says when it is due.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { deflateRawSync } from 'node:zlib'

const root = join(import.meta.dirname, '..')
const target = join(root, 'src/http/openapi/openapi.json')
const packed = join(root, 'src/http/openapi/packed-document.ts')

function writePacked(text: string): void {
  const base64 = deflateRawSync(text, { level: 9 }).toString('base64')
  const comment = '/** Written by `npm run openapi`: openapi.json without spaces, deflated, in base64. */'
  writeFileSync(packed, `${comment}\nexport const PACKED_DOCUMENT =\n  '${base64}'\n`)
}

// The route table imports what is made from it.
if (!existsSync(packed)) writePacked('{}')
const { routes } = await import('../src/http/route-table.ts')
const { buildOpenApiDocument } = await import('../src/http/openapi/build-document.ts')

const { version }: { version: string } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const text = JSON.stringify(buildOpenApiDocument({ routes, version }))
writePacked(text)
writeFileSync(target, text)
const biome = join(root, 'node_modules/.bin/biome')
const formatted = spawnSync(biome, ['format', '--write', target, packed], { stdio: 'inherit' })
process.exitCode = formatted.status ?? 1
