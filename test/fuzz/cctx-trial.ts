/**
 * Damaged .cctx files: contexts of toy models, mutated, most with checksums that hold. Every second one is opened as the
 * engine does and asked a question; the others from memory that ends where they end. All are looked at token by token.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Ops } from '../../src/backends/ops.ts'
import { createReferenceOps } from '../../src/backends/reference.ts'
import type { Block, BlockShape } from '../../src/cache/block.ts'
import { openContext, readContextHeader } from '../../src/cache/cctx-open.ts'
import { writeContext } from '../../src/cache/cctx-write.ts'
import { keptHeadCounts } from '../../src/cache/kept-tokens.ts'
import { placeAt } from '../../src/documents/place.ts'
import { restorePlaces } from '../../src/documents/stored-places.ts'
import { blockShapeOf } from '../../src/engine/block-shape.ts'
import { Control } from '../../src/engine/control.ts'
import { Sequence } from '../../src/engine/sequence.ts'
import type { Session } from '../../src/engine/session.ts'
import { toyModel } from '../../src/models/model.conformance.ts'
import type { Model, ModelConfig } from '../../src/models/model.ts'
import { toyBlock, toyContents, toyOrigin, toyRequest } from '../fixtures/toy-context.ts'
import { exactOps, newCall, sessions } from './backends.ts'
import { byteMutators } from './byte-mutations.ts'
import { cctxMutators } from './cctx-mutations.ts'
import { type CctxParts, copyParts, putTogether, takeApart } from './cctx-parts.ts'
import { Chance, mutate } from './chance.ts'
import type { Damaged, Trial } from './trial.ts'

const toyNames = ['llama', 'gemma3'] as const

interface Base {
  readonly toy: string
  readonly parts: CctxParts
}

const places = {
  marks: [
    { offset: 0, kind: 'file', label: 'a.md' },
    { offset: 0, kind: 'heading', label: 'One', level: 1 },
    { offset: 40, kind: 'line', label: '3' },
  ],
  lineLengths: [0, 20, 20, 31],
  lineStep: 1,
} as const

export const cctxTrial = async (seed: number, folder: string): Promise<Trial> => {
  const path = join(folder, 'damaged.cctx')
  const bases = await makeBases(path)
  const [all, exact] = [await sessions(), exactOps()]
  const plain = exact.map((ops) => new Map(toyNames.map((toy) => [toy as string, toyModel(ops, toy)])))
  const models = new Map<Session, ReadonlyMap<string, number>>()
  for (const session of all) models.set(session, await loadToys(session))
  return {
    damage: (index) => damage(new Chance(seed, index), bases),
    read: async ({ bytes, base: toy }, index) => {
      writeFileSync(path, bytes)
      const turn = (index >> 1) % all.length
      const [ops, model] = [exact[turn], plain[turn]?.get(toy)]
      if (index % 2 === 1 && ops && model) return lookExactly(ops, { path, bytes, model })
      const session = all[turn] as Session
      await askSession(session, models.get(session)?.get(toy) as number, path)
    },
    dispose: async () => {
      for (const ops of exact) ops.dispose()
    },
  }
}

const loadToys = async (session: Session): Promise<ReadonlyMap<string, number>> => {
  const load = async (name: string): Promise<readonly [string, number]> => {
    const { pathname: path } = new URL(`../fixtures/toy-${name}.gguf`, import.meta.url)
    const source = { path, name: `toy ${name}`, fingerprint: toyOrigin.model.fingerprint }
    return [name, (await session.handle('loadModel', source, newCall())).model]
  }
  return new Map(await Promise.all(toyNames.map(load)))
}

/** Contexts of all kinds: half precision and whole, ranked and not, with biases, windows and places. */
const makeBases = async (path: string): Promise<readonly Base[]> => {
  const ops = createReferenceOps()
  const bases: Base[] = []
  const add = async (toy: string, block: Block, withPlaces = false): Promise<void> => {
    const contents = toyContents(block)
    const tokenIds = contents.tokenIds.map((id) => id % 256)
    const { document } = contents.origin
    const origin = { ...contents.origin, ...(withPlaces && { document: { ...document, places } }) }
    await writeContext(ops, path, { ...contents, tokenIds, origin }, { force: true })
    bases.push({ toy, parts: takeApart(readFileSync(path)) })
  }
  for (const toy of toyNames) {
    const { config } = toyModel(ops, toy)
    const shape = (precision: 'f16' | 'f32'): BlockShape => blockShapeOf(config, precision)
    const kept = (pairs: number, precision: 'f16' | 'f32'): ReturnType<typeof toyRequest> =>
      toyRequest({ shape: shape(precision), pairs })
    await add(toy, toyBlock(ops, kept(30, 'f16')), true)
    await add(toy, toyBlock(ops, kept(50, 'f32'), { biased: true }))
    await add(toy, toyBlock(ops, kept(100 * config.kvHeadCount, 'f16')))
  }
  return bases
}

const damage = (chance: Chance, bases: readonly Base[]): Damaged => {
  const { toy, parts: whole } = chance.of(bases)
  const parts = copyParts(whole)
  const isStructured = !chance.oneIn(10)
  const what = isStructured ? mutate(parts, cctxMutators, { chance, most: 3 }) : []
  const file = putTogether(parts)
  if (isStructured && !chance.oneIn(20)) return { base: toy, bytes: file.bytes, what }
  const torn = chance.of(byteMutators)(file, chance)
  return { base: toy, bytes: torn.bytes, what: [...what, torn.what] }
}

const askSession = async (session: Session, model: number, path: string): Promise<void> => {
  const call = newCall()
  const { context } = await session.handle('openContext', { model, path }, call)
  try {
    await session.handle('ask', { context, question: 'Why?', maxTokens: 1, stop: [] }, call)
  } finally {
    await session.handle('release', { context }, call)
  }
}

const isOf = (config: ModelConfig, { shape }: Block): boolean => {
  const own = blockShapeOf(config, shape.precision)
  const told = ({ layerCount, kvHeadCount, headDim, windows = [] }: BlockShape): string =>
    JSON.stringify([layerCount, kvHeadCount, headDim, windows])
  return told(own) === told(shape)
}

const lookExactly = async (
  ops: Ops,
  { path, bytes, model }: { readonly path: string; readonly bytes: Buffer; readonly model: Model },
): Promise<void> => {
  await readContextHeader(path)
  const memory = new Uint8Array(new ArrayBuffer(bytes.length))
  memory.set(bytes)
  const { header, block, sourceOffsets } = await openContext(path, ops, () => ({
    bytes: memory,
    release: () => undefined,
  }))
  block.stats()
  keptHeadCounts(block)
  const { places: stored } = header.document
  if (stored) for (const offset of sourceOffsets) placeAt(restorePlaces(stored), offset)
  if (!isOf(model.config, block)) return
  const { precision } = block.shape
  const sequence = new Sequence(ops, model, { block, nextPosition: block.headTokens + block.documentTokens, precision })
  await sequence.next(Uint32Array.of(1, 2, 3), new Control())
}
