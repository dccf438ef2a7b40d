import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { findAdapterFolder } from '../../../functions/inference/http/find-adapter-folder.ts'

const base = realpathSync(mkdtempSync(join(tmpdir(), 'perigee-find-')))
afterAll(() => rmSync(base, { recursive: true }))
const FILES = ['adapter_config.json', 'adapter_model.safetensors']

function adapter(folder: string) {
  mkdirSync(join(base, folder), { recursive: true })
  for (const file of FILES) writeFileSync(join(base, folder, file), '')
}
adapter('root/inside')
adapter('root/team/deep')
adapter('outside')
adapter('root-of-others/one')
const root = join(base, 'root')
symlinkSync(root, join(base, 'link-to-root'))
symlinkSync(join(base, 'outside'), join(root, 'link-out'))
mkdirSync(join(root, 'files-out'))
for (const file of FILES) symlinkSync(join(base, 'outside', file), join(root, 'files-out', file))
mkdirSync(join(root, 'half'))
writeFileSync(join(root, 'half', 'adapter_config.json'), '')

test('an adapter below the folder is found, whichever way it is named', async () => {
  const inside = join(root, 'inside')
  for (const path of ['inside', './inside/', 'team/../inside', inside])
    expect(await findAdapterFolder(root, path)).toBe(inside)
  expect(await findAdapterFolder(root, 'team/deep')).toBe(join(root, 'team/deep'))
  expect(await findAdapterFolder(join(base, 'link-to-root'), 'inside')).toBe(inside)
})

test.each([
  '../outside',
  'inside/../../outside',
  join(base, 'outside'),
  '../root-of-others/one',
  'link-out',
  'files-out',
  'half',
  'nothing',
  '.',
  '',
  'inside\0',
  '/etc',
])('%j is not', async (path) => {
  expect(await findAdapterFolder(root, path)).toBe(null)
})

test('nothing is found below a folder that is not there', async () => {
  expect(await findAdapterFolder(join(base, 'nowhere'), 'inside')).toBe(null)
})
