/**
 * Text to token ids and back, for vocabularies read from a GGUF header: byte-level BPE (`tokenizer.ggml.model` = gpt2) and
 * SentencePiece's BPE (llama: Gemma, Llama 2, Mistral).
 *
 * Where the models' own tokenizers and llama.cpp differ, this is chosen: text is not normalised (the original qwen2
 * applies NFC), so that ids decode to exactly the bytes of the document and every token has a place in it; a token that
 * the file calls normal is reached by merging only and a user-defined one is always read whole (llama.cpp takes "</s>" for
 * a control token in qwen2 and gemma3 alike); every \p{N} is a word of its own under `smollm`; the character ▁ in a text is
 * three bytes, not a space. Lone surrogates are encoded as U+FFFD. Bytes that a vocabulary lacks (smollm: some control
 * characters, and lead bytes of code points that Unicode leaves unassigned) have no token and are left out.
 */
import { CompactorError } from '../error.ts'
import { shown } from '../shown.ts'
import { createPreTokenizer } from './pre-tokenizer.ts'
import { SentencePieces } from './sentence-pieces.ts'
import { type Encoding, TokenList } from './token-list.ts'
import { CONTROL, type StringTable, USER_DEFINED, Vocabulary } from './vocabulary.ts'
import { Words } from './words.ts'

/** The part of a GGUF header's face that is used here; `GgufMetadata` has it. */
export interface TokenizerSource {
  get(key: string): unknown
  strings(key: string): StringTable | undefined
  integers(key: string): Int32Array | undefined
  floats(key: string): Float32Array | undefined
}

export interface EncodeOptions {
  /** Read control tokens written in the text as such. Default false: they are split like any other text. */
  readonly control?: boolean
  /**
   * Ids that stand before the text, none at the very beginning; absent: other text. Some vocabularies want a space before
   * text at the beginning and behind marks, but not in the middle of it.
   */
  readonly after?: ArrayLike<number>
}

// End-of-turn and end-of-text marks of models whose header names only one of them.
const endTexts = ['<|im_end|>', '<|endoftext|>', '<|end_of_text|>', '<|eot_id|>', '<|end|>', '<end_of_turn>']

const LARGEST_KEPT_SCRATCH = 65_536

export class Tokenizer {
  /** Tokens that end an answer. */
  readonly endTokens: ReadonlySet<number>
  /** Put before everything when the header asks for it. */
  readonly beginToken: number | undefined
  readonly #vocabulary: Vocabulary
  readonly #words: Words | SentencePieces
  readonly #isSpaced: boolean // a space goes before text that follows nothing or a mark
  readonly #controls: ReadonlyMap<string, number>
  readonly #userDefined: ReadonlyMap<string, number>
  readonly #patterns: { readonly control: RegExp; readonly plain: RegExp }
  readonly #utf8 = new TextEncoder()
  #scratch = new Uint8Array(1024)

  constructor(source: TokenizerSource) {
    const model = source.get('tokenizer.ggml.model')
    if (model !== 'gpt2' && model !== 'llama')
      throw new CompactorError(
        'model-unsupported',
        `tokenizer model ${model === undefined ? '(none named)' : shown(model)} is not supported; take a model with gpt2 (byte-level BPE) or llama (SentencePiece)`,
      )
    const isPieces = model === 'llama'
    const pre = isPieces ? undefined : source.get('tokenizer.ggml.pre')
    const nextWord = isPieces ? undefined : createPreTokenizer(pre)
    const tokens = required(source.strings('tokenizer.ggml.tokens'), 'tokenizer.ggml.tokens')
    const kinds = required(source.integers('tokenizer.ggml.token_type'), 'tokenizer.ggml.token_type')
    this.#vocabulary = new Vocabulary(tokens, kinds, isPieces ? 'pieces' : 'alphabet')
    if (nextWord) {
      const merges = required(source.strings('tokenizer.ggml.merges'), 'tokenizer.ggml.merges')
      this.#words = new Words(this.#vocabulary, { nextWord, merges, wholeFirst: pre === 'llama-bpe' })
    } else
      this.#words = new SentencePieces(
        this.#vocabulary,
        required(source.floats('tokenizer.ggml.scores'), 'tokenizer.ggml.scores'),
      )
    this.#isSpaced = isPieces && source.get('tokenizer.ggml.add_space_prefix') !== false
    this.#controls = this.#vocabulary.ofKind(CONTROL)
    this.#userDefined = this.#vocabulary.ofKind(USER_DEFINED)
    const plain = [...this.#userDefined.keys()]
    this.#patterns = { control: anyOf([...this.#controls.keys(), ...plain]), plain: anyOf(plain) }
    this.endTokens = this.#endTokens(source)
    const begins = source.get('tokenizer.ggml.add_bos_token') ?? (isPieces || pre === 'llama-bpe')
    this.beginToken = begins === true ? this.#named(source, 'bos') : undefined
  }

  get vocabularySize(): number {
    return this.#vocabulary.size
  }

  encode(text: string, options: EncodeOptions = {}): Uint32Array {
    return this.encodeWithOffsets(text, options).ids
  }

  /** Offsets are UTF-8 bytes: token i stands for bytes offsets[i] … offsets[i + 1] of the text. */
  encodeWithOffsets(text: string, { control = false, after }: EncodeOptions = {}): Encoding {
    const out = new TokenList()
    const last = after?.[after.length - 1]
    let isBehindMark = after !== undefined && (last === undefined || this.#isMark(last))
    let at = 0
    for (const { 0: mark, index } of text.matchAll(control ? this.#patterns.control : this.#patterns.plain)) {
      this.#encodeText(text.slice(at, index), isBehindMark, out)
      isBehindMark = true
      out.push((this.#userDefined.get(mark) ?? this.#controls.get(mark)) as number, out.byteCount)
      out.byteCount += Buffer.byteLength(mark)
      at = index + mark.length
    }
    this.#encodeText(at === 0 ? text : text.slice(at), isBehindMark, out)
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

  #isMark(id: number): boolean {
    const kind = this.#vocabulary.kinds[id]
    return kind === CONTROL || kind === USER_DEFINED
  }

  #encodeText(text: string, isBehindMark: boolean, out: TokenList): void {
    if (text === '') return
    if (this.#words instanceof Words) this.#words.encode(text, out)
    else this.#encodePieces(this.#words, { text, isSpaced: isBehindMark && this.#isSpaced }, out)
  }

  #encodePieces(
    pieces: SentencePieces,
    { text, isSpaced }: { readonly text: string; readonly isSpaced: boolean },
    out: TokenList,
  ): void {
    const spaced = isSpaced ? ` ${text}` : text
    const added = spaced.length - text.length // bytes that are not the text's
    if (this.#scratch.length < 3 * spaced.length) this.#scratch = new Uint8Array(3 * spaced.length)
    const length = this.#utf8.encodeInto(spaced, this.#scratch).written
    pieces.split(this.#scratch, length, (id, start) => out.push(id, out.byteCount + Math.max(0, start - added)))
    out.byteCount += length - added
    if (this.#scratch.length > LARGEST_KEPT_SCRATCH) this.#scratch = new Uint8Array(1024)
  }

  #named(source: TokenizerSource, name: string): number | undefined {
    const key = `tokenizer.ggml.${name}_token_id`
    const id = source.get(key)
    if (id === undefined) return undefined
    if (typeof id === 'number' && Number.isInteger(id) && id >= 0 && id < this.vocabularySize) return id
    throw new CompactorError(
      'model-corrupt',
      `${key} is ${shown(id)}, expected one of ${this.vocabularySize} tokens from 0; get the file again`,
    )
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
