import { expect, test } from 'vitest'
import { systemFingerprint } from '../../../functions/inference/engine/fingerprint.ts'
import { describeProcessor, processor } from '../../../functions/inference/engine/processor.ts'

const SHA = 'a'.repeat(64)
const FLAGS = 'fpu vme sse2 ssse3 fma avx f16c avx2 erms'

test('processors of one name that differ in vector instructions have different fingerprints', () => {
  const on = (flags: string) => systemFingerprint(SHA, '1.30.0', 'seeded', describeProcessor('AMD EPYC', flags))
  expect(on(FLAGS)).not.toBe(on(`${FLAGS} avx512f avx512_vnni`))
  expect(on('fp asimd asimddp')).not.toBe(on('fp asimd asimddp i8mm'))
})

test('neither the order of the flags nor those that no kernel asks for show', () => {
  const described = describeProcessor('AMD EPYC', FLAGS)
  expect(describeProcessor('AMD EPYC', 'avx2 umip f16c avx fma ssse3 sse2')).toBe(described)
  expect(described).toContain('avx2')
})

test('this machine has one fingerprint, with the weights, the library and the rule of sameness in it', () => {
  const here = systemFingerprint(SHA, '1.30.0', 'seeded')
  expect(here).toBe(systemFingerprint(SHA, '1.30.0', 'always', processor()))
  expect(here).not.toBe(systemFingerprint(SHA, '1.30.0', 'never'))
  expect(here).not.toBe(systemFingerprint(SHA, '1.31.0', 'seeded'))
  expect(here).not.toBe(systemFingerprint('b'.repeat(64), '1.30.0', 'seeded'))
})
