/** Numbers from the transformers library in f32 on the same weights (test/fixtures/README.md), and our side of them. */
import { readFileSync } from 'node:fs'
import type { Ops } from '../src/backends/ops.ts'
import type { Block } from '../src/cache/block.ts'
import { Control } from '../src/engine/control.ts'
import { type ModelFile, openModelFile } from '../src/engine/model-file.ts'
import { Sequence } from '../src/engine/sequence.ts'
import { modelPath } from './models.ts'

export interface Top {
  readonly ids: readonly number[]
  readonly logits: readonly number[]
  readonly logsumexp: number
}

export interface Golden {
  readonly model: string
  readonly sha256: string
  readonly prompt_ids: readonly number[]
  readonly mean_nll: number
  readonly nll_first_16: readonly number[]
  readonly top: Readonly<Record<string, Top>>
  readonly greedy_48: readonly number[]
  readonly long: {
    readonly prompt_ids: readonly number[]
    readonly mean_nll: number
    readonly nll_positions: readonly number[]
    readonly nll: readonly number[]
    readonly top: Readonly<Record<string, Top>>
    readonly greedy_16: readonly number[]
  }
  readonly layers: Readonly<Record<string, Readonly<Record<string, { shape: number[]; f32: string }>>>>
}

export const golden = (model: string): Golden =>
  JSON.parse(readFileSync(new URL(`./fixtures/golden-${model}.json`, import.meta.url), 'utf8'))

export const floats = ({ f32 }: { f32: string }): Float32Array => {
  const bytes = Buffer.from(f32, 'base64')
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length))
}

export const openModel = (ops: Ops, name: string): ModelFile =>
  openModelFile(ops, { path: modelPath(name), name, fingerprint: golden(name).sha256 })

export const logSumExp = (logits: Float32Array): number => {
  let most = -Infinity
  for (const logit of logits) if (logit > most) most = logit
  let sum = 0
  for (const logit of logits) sum += Math.exp(logit - most)
  return most + Math.log(sum)
}

/** A sequence after a block, or after nothing. */
export const sequenceOf = (ops: Ops, { model }: ModelFile, precision: 'f32' | 'f16', block?: Block): Sequence =>
  new Sequence(ops, model, {
    precision,
    nextPosition: block ? block.headTokens + block.documentTokens : 0,
    ...(block && { block }),
  })

/** Greedy continuation of a prompt, `count` tokens, the end of turn not looked at. */
export const greedy = async (sequence: Sequence, prompt: readonly number[], count: number): Promise<number[]> => {
  const control = new Control()
  const tokens: number[] = []
  let logits = await sequence.next(Uint32Array.from(prompt), control)
  for (;;) {
    let best = 0
    for (let id = 1; id < logits.length; id++) if ((logits[id] as number) > (logits[best] as number)) best = id
    tokens.push(best)
    if (tokens.length === count) return tokens
    logits = await sequence.next(Uint32Array.of(best), control)
  }
}
