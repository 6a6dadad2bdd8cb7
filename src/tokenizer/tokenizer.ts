/**
 * Text to token ids and back, for byte-level BPE vocabularies (`tokenizer.ggml.model` = gpt2) read from a GGUF header.
 *
 * Where the models' own tokenizers and llama.cpp differ, this is chosen: text is not normalised (the original qwen2
 * applies NFC), so that ids decode to exactly the bytes of the document and every token has a place in it; a token that
 * the file calls normal is reached by merging only (llama.cpp also finds qwen2's "</s>" whole); every \p{N} is a word of
 * its own under `smollm`. Lone surrogates are encoded as U+FFFD. Bytes that a vocabulary lacks (smollm: some control
 * characters, and lead bytes of code points that Unicode leaves unassigned) have no token and are left out.
 */
import { CompactorError } from '../error.ts'
import { BytePairs } from './byte-pairs.ts'
import { Merges } from './merges.ts'
import { createPreTokenizer, type PreTokenizer } from './pre-tokenizer.ts'
import { CONTROL, type StringTable, USER_DEFINED, Vocabulary } from './vocabulary.ts'

/** The part of a GGUF header's face that is used here; `GgufMetadata` has it. */
export interface TokenizerSource {
  get(key: string): unknown
  strings(key: string): StringTable | undefined
  integers(key: string): Int32Array | undefined
}

export interface EncodeOptions {
  /** Read control tokens written in the text as such. Default false: they are split like any other text. */
  readonly control?: boolean
}

export interface Encoding {
  readonly ids: Uint32Array
  readonly offsets: Uint32Array // first byte of each token in the UTF-8 text
}

// End-of-turn and end-of-text marks of models whose header names only one of them.
const endTexts = ['<|im_end|>', '<|endoftext|>', '<|end_of_text|>', '<|eot_id|>', '<|end|>', '<end_of_turn>']

const CACHED_WORDS = 16_384
// UTF-16 units. V8 copies slices up to here; a longer one would keep the whole document in memory.
const LONGEST_CACHED_WORD = 12

export class Tokenizer {
  /** Tokens that end an answer. */
  readonly endTokens: ReadonlySet<number>
  /** Put before everything when the header asks for it. */
  readonly beginToken: number | undefined
  readonly #vocabulary: Vocabulary
  readonly #nextWord: PreTokenizer
  readonly #pairs: BytePairs
  readonly #controls: ReadonlyMap<string, number>
  readonly #userDefined: ReadonlyMap<string, number>
  readonly #patterns: { readonly control: RegExp; readonly plain: RegExp }
  readonly #utf8 = new TextEncoder()
  // Tokens of words seen: [id, start, id, start, …, bytes of the word].
  readonly #words = new Map<string, readonly number[]>()
  #scratch = new Uint8Array(1024)

  constructor(source: TokenizerSource) {
    const model = source.get('tokenizer.ggml.model')
    if (model !== 'gpt2')
      throw new CompactorError(
        'model-unsupported',
        `tokenizer model ${model ?? '(none named)'} is not supported; only gpt2 (byte-level BPE) is`,
      )
    this.#nextWord = createPreTokenizer(source.get('tokenizer.ggml.pre'))
    const tokens = required(source.strings('tokenizer.ggml.tokens'), 'tokenizer.ggml.tokens')
    const kinds = required(source.integers('tokenizer.ggml.token_type'), 'tokenizer.ggml.token_type')
    this.#vocabulary = new Vocabulary(tokens, kinds)
    const merges = required(source.strings('tokenizer.ggml.merges'), 'tokenizer.ggml.merges')
    this.#pairs = new BytePairs(new Merges(this.#vocabulary, merges))
    this.#controls = this.#vocabulary.ofKind(CONTROL)
    this.#userDefined = this.#vocabulary.ofKind(USER_DEFINED)
    const plain = [...this.#userDefined.keys()]
    this.#patterns = { control: anyOf([...this.#controls.keys(), ...plain]), plain: anyOf(plain) }
    this.endTokens = this.#endTokens(source)
    this.beginToken = source.get('tokenizer.ggml.add_bos_token') === true ? this.#named(source, 'bos') : undefined
  }

  get vocabularySize(): number {
    return this.#vocabulary.size
  }

  encode(text: string, options: EncodeOptions = {}): Uint32Array {
    return this.encodeWithOffsets(text, options).ids
  }

  /** Offsets are UTF-8 bytes: token i stands for bytes offsets[i] … offsets[i + 1] of the text. */
  encodeWithOffsets(text: string, { control = false }: EncodeOptions = {}): Encoding {
    const out = new TokenList()
    let at = 0
    for (const { 0: mark, index } of text.matchAll(control ? this.#patterns.control : this.#patterns.plain)) {
      this.#encodeWords(text.slice(at, index), out)
      out.push((this.#userDefined.get(mark) ?? this.#controls.get(mark)) as number, out.byteCount)
      out.byteCount += Buffer.byteLength(mark)
      at = index + mark.length
    }
    this.#encodeWords(at === 0 ? text : text.slice(at), out)
    return out.encoding()
  }

  /** The bytes that a token stands for; may end inside a character (see Utf8Stream). A view, not to be written to. */
  decodeBytes(id: number): Uint8Array {
    return this.#vocabulary.bytesOf(id)
  }

  /** Marks of the chat format: never part of an answer, never made from a document's text. */
  isControl(id: number): boolean {
    return this.#vocabulary.kinds[id] === CONTROL
  }

  /** The token of that name in the header (`tokenizer.ggml.NAME_token_id`) as text, for chat templates. */
  textOfNamed(source: TokenizerSource, name: 'bos' | 'eos'): string {
    const id = this.#named(source, name)
    return id === undefined ? '' : new TextDecoder().decode(this.decodeBytes(id))
  }

  #encodeWords(text: string, out: TokenList): void {
    for (let start = 0; start < text.length; ) {
      const end = this.#nextWord(text, start)
      const word = text.slice(start, end)
      start = end
      const tokens = this.#words.get(word) ?? this.#encodeWord(word)
      for (let index = 0; index < tokens.length - 1; index += 2)
        out.push(tokens[index] as number, out.byteCount + (tokens[index + 1] as number))
      out.byteCount += tokens.at(-1) as number
    }
  }

  #encodeWord(word: string): readonly number[] {
    if (this.#scratch.length < 3 * word.length) this.#scratch = new Uint8Array(3 * word.length)
    const bytes = this.#scratch
    const length = this.#utf8.encodeInto(word, bytes).written
    const tokens: number[] = []
    this.#pairs.split(bytes, length, (start, end) => {
      const id = this.#vocabulary.find(bytes, start, end)
      if (id !== undefined) tokens.push(id, start)
    })
    tokens.push(length)
    if (word.length <= LONGEST_CACHED_WORD) {
      if (this.#words.size === CACHED_WORDS) this.#words.clear()
      this.#words.set(word, tokens)
    }
    return tokens
  }

  #named(source: TokenizerSource, name: string): number | undefined {
    const key = `tokenizer.ggml.${name}_token_id`
    const id = source.get(key)
    if (id === undefined) return undefined
    if (typeof id === 'number' && id < this.vocabularySize) return id
    throw new CompactorError('model-corrupt', `${key} is ${id}, expected a token below ${this.vocabularySize}`)
  }

  #endTokens(source: TokenizerSource): ReadonlySet<number> {
    const ends = ['eos', 'eot', 'eom'].map((name) => this.#named(source, name))
    ends.push(...endTexts.map((text) => this.#controls.get(text)))
    return new Set(ends.filter((id) => id !== undefined))
  }
}

/** Throws CompactorError: 'model-unsupported' for another kind of tokenizer, 'model-corrupt' for a damaged one. */
export const createTokenizer = (source: TokenizerSource): Tokenizer => new Tokenizer(source)

/** Any of the texts, the longest that fits; nothing when there are none. */
const anyOf = (texts: readonly string[]): RegExp => {
  const longestFirst = texts.filter((text) => text !== '').sort((a, b) => b.length - a.length)
  const escaped = longestFirst.map((text) => text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&'))
  return new RegExp(escaped.length === 0 ? '(?!)' : escaped.join('|'), 'gu')
}

const required = <T>(value: T | undefined, key: string): T => {
  if (value !== undefined) return value
  throw new CompactorError('model-corrupt', `the model has no ${key}, expected an array; get the file again`)
}

class TokenList {
  byteCount = 0
  #ids = new Uint32Array(256)
  #offsets = new Uint32Array(256)
  #count = 0

  push(id: number, offset: number): void {
    if (this.#count === this.#ids.length) {
      this.#ids = grown(this.#ids)
      this.#offsets = grown(this.#offsets)
    }
    this.#ids[this.#count] = id
    this.#offsets[this.#count++] = offset
  }

  encoding(): Encoding {
    return { ids: this.#ids.slice(0, this.#count), offsets: this.#offsets.slice(0, this.#count) }
  }
}

const grown = (values: Uint32Array): Uint32Array<ArrayBuffer> => {
  const larger = new Uint32Array(2 * values.length)
  larger.set(values)
  return larger
}
