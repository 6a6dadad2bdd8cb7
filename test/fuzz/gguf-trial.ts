/**
 * Damaged GGUF files: the toys of every architecture, mutated. Every second one is opened as the engine does, by its path;
 * the others tensor by tensor from memory that ends where they end. What is accepted reads a document and answers.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Ops } from '../../src/backends/ops.ts'
import { compressRequest } from '../../src/engine/compress-request.ts'
import { Control } from '../../src/engine/control.ts'
import { Sequence } from '../../src/engine/sequence.ts'
import type { Session } from '../../src/engine/session.ts'
import { type Gguf, readGguf } from '../../src/formats/gguf.ts'
import { ggufWeights } from '../../src/formats/gguf-weights.ts'
import { architectureOf } from '../../src/models/index.ts'
import { toys } from '../../src/models/model.conformance.ts'
import { createTokenizer } from '../../src/tokenizer/tokenizer.ts'
import { exactOps, newCall, sessions } from './backends.ts'
import { byteMutators } from './byte-mutations.ts'
import { Chance, mutate } from './chance.ts'
import { ggufMutators } from './gguf-mutations.ts'
import { copyParts, type GgufParts, putTogether, takeApart } from './gguf-parts.ts'
import type { Damaged, Trial } from './trial.ts'

const text = 'The harbour was closed for 12 days.\n\nNobody knew why.'

export const ggufTrial = async (seed: number, folder: string): Promise<Trial> => {
  const bases = toys.map(({ name }) => ({
    name,
    parts: takeApart(readFileSync(new URL(`../fixtures/toy-${name}.gguf`, import.meta.url))),
  }))
  const path = join(folder, 'damaged.gguf')
  const [all, exact] = [await sessions(), exactOps()]
  return {
    damage: (index) => damage(new Chance(seed, index), bases),
    read: async ({ bytes }, index) => {
      const ops = exact[(index >> 1) % exact.length]
      if (index % 2 === 1 && ops) return computeExactly(ops, bytes, index)
      writeFileSync(path, bytes)
      await useSession(all[(index >> 1) % all.length] as Session, path)
    },
    dispose: async () => {
      for (const ops of exact) ops.dispose()
    },
  }
}

interface Base {
  readonly name: string
  readonly parts: GgufParts
}

const damage = (chance: Chance, bases: readonly Base[]): Damaged => {
  const { name: base, parts: whole } = chance.of(bases)
  const parts = copyParts(whole)
  const isStructured = !chance.oneIn(6)
  const what = isStructured ? mutate(parts, ggufMutators, { chance, most: 3 }) : []
  const file = putTogether(parts)
  if (isStructured && !chance.oneIn(8)) return { base, bytes: file.bytes, what }
  const torn = chance.of(byteMutators)(file, chance)
  return { base, bytes: torn.bytes, what: [...what, torn.what] }
}

const useSession = async (session: Session, path: string): Promise<void> => {
  const call = newCall()
  const { model } = await session.handle('loadModel', { path, name: 'damaged.gguf', fingerprint: 'f'.repeat(64) }, call)
  try {
    const request = compressRequest({ document: text, keep: 0.5, reserve: 40, protectFirst: 1, protectLast: 1 })
    const { context } = await session.handle('compress', { ...request, model }, call)
    try {
      await session.handle('ask', { context, question: 'Why?', maxTokens: 2, stop: [] }, call)
      await session.handle('chat', { context }, call).then((chat) => session.handle('release', chat, call))
    } finally {
      await session.handle('release', { context }, call)
    }
  } finally {
    await session.handle('release', { model }, call)
  }
}

/** Every tensor in memory of its own. */
const apart = (gguf: Gguf): Gguf => ({
  ...gguf,
  tensors: new Map([...gguf.tensors].map(([name, tensor]) => [name, { ...tensor, bytes: tensor.bytes.slice() }])),
})

/** What `compactor inspect gguf` shows. */
const listKeys = ({ metadata }: Gguf): void => {
  for (const key of metadata.keys()) if (!/\[\d{3,}\]$/.test(metadata.typeOf(key) ?? '')) metadata.get(key)
}

const computeExactly = async (ops: Ops, bytes: Buffer, index: number): Promise<void> => {
  const gguf = apart(readGguf(Uint8Array.from(bytes), 'damaged.gguf'))
  if (index % 16 === 1) listKeys(gguf)
  const weights = ggufWeights(ops, gguf)
  const architecture = architectureOf(gguf.metadata.get('general.architecture'))
  const model = architecture.create(ops, architecture.readConfig(gguf.metadata, weights), weights)
  const tokenizer = createTokenizer(gguf.metadata)
  const { vocabularySize } = model.config
  const ids = Uint32Array.from(tokenizer.encode(text), (id) => id % vocabularySize)
  const start = ids.length > 0 ? ids : Uint32Array.of(0)
  const sequence = new Sequence(ops, model, { nextPosition: 0, precision: 'f16', pageTokens: 8 })
  await sequence.next(start, new Control())
  await sequence.next(Uint32Array.of(vocabularySize - 1), new Control())
}
