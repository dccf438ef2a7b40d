/**
 * The kind of processor, as far as kernels choose by it. Its name alone does not tell: a virtual machine says "AMD EPYC" of many, and
 * hides instructions from some.
 */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { arch, cpus, platform } from 'node:os'

/** What ONNX Runtime's kernels ask for: vector instructions, on x64 and arm64. */
const VECTOR = /^(sse|ssse|avx|fma|f16c|vnni|amx|asimd|sve|sme(?!p)|neon|i8mm|bf16|dotprod|fphp)/

export const processor = (): string => describeProcessor(cpus()[0]?.model ?? 'unknown', featureText())

/** @param features words, as /proc/cpuinfo and sysctl list them */
export function describeProcessor(model: string, features: string): string {
  const vector = features
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => VECTOR.test(word))
  return [arch(), model, ...new Set(vector.sort())].join(' ')
}

/** Empty where it cannot be had; then the name alone must do. */
function featureText(): string {
  try {
    if (platform() === 'linux')
      return /^(?:flags|Features)\s*:(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1] ?? ''
    if (platform() !== 'darwin') return ''
    const listed = execFileSync('/usr/sbin/sysctl', ['hw.optional'], { encoding: 'utf8' })
    // Lines such as `hw.optional.arm.FEAT_I8MM: 1`; what is 0 is not there.
    return [...listed.matchAll(/^hw\.optional\.(?:arm\.)?(?:FEAT_)?(\S+): 1$/gm)].map(([, word]) => word).join(' ')
  } catch {
    return ''
  }
}
