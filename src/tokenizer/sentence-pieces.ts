/**
 * Which pieces join in a SentencePiece vocabulary of the BPE kind (`tokenizer.ggml.model` = llama): two neighbours that
 * together are a token, the one of the highest score first. What no token is written as becomes tokens of single bytes.
 * Not here: the queue of pairs (byte-pairs.ts), spaces before text (tokenizer.ts).
 */
import { CompactorError } from '../error.ts'
import { BytePairs } from './byte-pairs.ts'
import { BYTE, type Vocabulary } from './vocabulary.ts'

const LARGEST_RANK = 2 ** 27 - 1

export class SentencePieces {
  readonly #vocabulary: Vocabulary
  readonly #ranks: Uint32Array // [vocabulary], the highest score has the smallest
  readonly #bytes: Int32Array // [256], token of each byte, -1 where there is none
  readonly #pairs: BytePairs

  /** @param scores [vocabulary] Throws CompactorError('model-corrupt') for another number of them, or NaN. */
  constructor(vocabulary: Vocabulary, scores: Float32Array) {
    if (scores.length !== vocabulary.size)
      throw new CompactorError(
        'model-corrupt',
        `tokenizer.ggml.scores has ${scores.length} values, expected ${vocabulary.size}, one for each token; get the file again`,
      )
    this.#vocabulary = vocabulary
    this.#ranks = ranksOf(scores)
    this.#bytes = new Int32Array(256).fill(-1)
    for (let id = vocabulary.size - 1; id >= 0; id--)
      if (vocabulary.kinds[id] === BYTE) this.#bytes[vocabulary.bytesOf(id)[0] as number] = id
    this.#pairs = new BytePairs(this, 'character')
  }

  rank(bytes: Uint8Array, start: number, _middle: number, end: number): number | undefined {
    if (end - start > this.#vocabulary.longest) return undefined
    const token = this.#vocabulary.find(bytes, start, end)
    return token === undefined ? undefined : this.#ranks[token]
  }

  /** Calls `token(id, start)` for each token of bytes[0, length), in order; bytes without a token are left out. */
  split(bytes: Uint8Array, length: number, token: (id: number, start: number) => void): void {
    this.#pairs.split(bytes, length, (start, end) => {
      const id = this.#vocabulary.find(bytes, start, end)
      if (id !== undefined) token(id, start)
      else
        for (let at = start; at < end; at++) {
          const byte = this.#bytes[bytes[at] as number] as number
          if (byte >= 0) token(byte, at)
        }
    })
  }
}

/** Equal scores have equal ranks: the leftmost pair goes first then. */
const ranksOf = (scores: Float32Array): Uint32Array => {
  if (scores.some(Number.isNaN))
    throw new CompactorError('model-corrupt', 'tokenizer.ggml.scores holds what is not a number; get the file again')
  // Nearly all files number their merges 0, -1, -2 …, so that nothing need be sorted.
  const numbered = scores.every((score) => score <= 0 && score >= -LARGEST_RANK && Number.isInteger(score))
  if (numbered) return Uint32Array.from(scores, (score) => -score)
  const order = new Map([...new Set(scores)].sort((a, b) => b - a).map((score, rank) => [score, rank]))
  return Uint32Array.from(scores, (score) => order.get(score) as number)
}
