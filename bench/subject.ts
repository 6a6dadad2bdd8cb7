/** A model opened in this process, and documents that it reads: what benchmarks of the engine's parts time. */
import { createNativeOps, type NativeOps, type NativeOptions } from '../src/backends/native.ts'
import type { Block } from '../src/cache/block.ts'
import { Control } from '../src/engine/control.ts'
import { largestOf } from '../src/engine/likeliest.ts'
import { type ModelFile, openModelFile } from '../src/engine/model-file.ts'
import { prefill } from '../src/engine/prefill.ts'
import { Sequence } from '../src/engine/sequence.ts'
import { openGguf } from '../src/formats/open-gguf.ts'
import { createMethod } from '../src/methods/index.ts'

export interface Subject {
  readonly ops: NativeOps
  readonly file: ModelFile
}

export const control: Control = new Control()

export const openSubject = (path: string, options: NativeOptions): Subject => {
  const ops = createNativeOps(options)
  return { ops, file: openModelFile(ops, { path, name: 'measured', fingerprint: '' }) }
}

/** The first `count` tokens of a text. Throws RangeError if it has fewer. */
export const idsOf = ({ file }: Subject, text: string, count: number): Uint32Array => {
  const ids = file.tokenizer.encode(text).slice(0, count)
  if (ids.length < count) throw new RangeError(`the text has ${ids.length} tokens, ${count} are needed`)
  return ids
}

/** Reads a document by Compactor, ranked unless all of it stays. → its block and the time that took */
export const readDocument = async (
  { ops, file: { model } }: Subject,
  document: Uint32Array,
  { keep = 1, order }: { readonly keep?: number; readonly order?: 'importance' },
): Promise<{ readonly block: Block; readonly ms: number }> => {
  const method = createMethod('compactor')
  const start = performance.now()
  const { block } = await prefill(ops, model, {
    head: new Uint32Array(),
    document,
    method,
    selection: method.selection,
    pairs: pairsOf(model.config.kvHeadCount, document.length, keep),
    precision: 'f16',
    seed: 42,
    control,
    ...(order && { order }),
  })
  return { block, ms: performance.now() - start }
}

/** Pairs of a layer that a share of the document's is. */
export const pairsOf = (kvHeadCount: number, tokens: number, keep: number): number =>
  Math.round(keep * tokens * kvHeadCount)

export const sequenceOver = ({ ops, file: { model } }: Subject, block: Block): Sequence =>
  new Sequence(ops, model, { block, nextPosition: block.documentTokens, precision: 'f16' })

export interface Written {
  readonly tokens: readonly number[]
  readonly firstMs: number // until the first token was known
  readonly restMs: number
}

/** A greedy answer that ends after `count` tokens, whatever they are. */
export const write = async (sequence: Sequence, question: Uint32Array, count: number): Promise<Written> => {
  const start = performance.now()
  const tokens = [largest(await sequence.next(question, control))]
  const begun = performance.now()
  while (tokens.length < count) tokens.push(largest(await sequence.next(Uint32Array.of(tokens.at(-1) ?? 0), control)))
  return { tokens, firstMs: begun - start, restMs: performance.now() - begun }
}

/** The token with the largest logit, found as the sampler does it. */
export const largest = (logits: Float32Array): number => logits.indexOf(largestOf(logits))

/** Bytes of weights that every step reads: all of them, but an embedding that is not the output matrix too. */
export const weightBytes = (path: string): number => {
  const { gguf, release } = openGguf(path, 'measured')
  const isTied = !gguf.tensors.has('output.weight')
  let bytes = 0
  for (const [name, tensor] of gguf.tensors) if (isTied || name !== 'token_embd.weight') bytes += tensor.bytes.length
  release()
  return bytes
}

/** Bytes of a document's memory that every step reads. */
export const blockBytes = (block: Block): number => {
  const { pairBytes, headPartBytes, windowBytes } = block.stats()
  return pairBytes + headPartBytes + windowBytes
}
