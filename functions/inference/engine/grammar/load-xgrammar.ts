/** Loads web-xgrammar: UMD whose package says that it is an ES module, so neither `import` nor `require` can. */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname } from 'node:path'
import { compileFunction } from 'node:vm'
import type * as Xgrammar from '@mlc-ai/web-xgrammar'

export function loadXgrammar(): typeof Xgrammar {
  const file = createRequire(import.meta.url).resolve('@mlc-ai/web-xgrammar')
  const require = createRequire(file)
  const module = { exports: {} }
  // Its one dynamic import is of node's own, which `require` has, too, and which would need a flag here.
  const source = readFileSync(file, 'utf8').replaceAll("await import('module')", "require('module')")
  const run = compileFunction(source, ['exports', 'module', 'require', '__filename', '__dirname'], { filename: file })
  run(module.exports, module, require, file, dirname(file))
  // Sound because this is the package whose types these are.
  return module.exports as typeof Xgrammar
}
