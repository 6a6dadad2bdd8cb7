/** Every method of the table through the conformance suite on both CPU backends, variants of some on one. */
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createNativeOps } from '../src/backends/native.ts'
import type { Ops } from '../src/backends/ops.ts'
import { createReferenceOps } from '../src/backends/reference.ts'
import type { Block } from '../src/cache/block.ts'
import { writeContext } from '../src/cache/cctx-write.ts'
import { shrink } from '../src/cache/shrink.ts'
import { Control } from '../src/engine/control.ts'
import { prefill } from '../src/engine/prefill.ts'
import { Sequence } from '../src/engine/sequence.ts'
import type { StreamInput } from '../src/engine/stream-reader.ts'
import { methods } from '../src/methods/index.ts'
import { type Memory, testMethod, type Workbench } from '../src/methods/method.conformance.ts'
import type { Method, MethodEntry } from '../src/methods/method.ts'
import type { Model } from '../src/models/model.ts'
import { toyOrigin } from './fixtures/toy-context.ts'
import { toyModel } from './toy-model.ts'

const head = Uint32Array.of(90, 91, 92)

/** What streams.ts makes with a tokenizer, which toys lack: ids of a request, then the piece; or a question alone. */
const streamsFor = ({ needs }: Method, document: Uint32Array): StreamInput[] => {
  if (needs.question) return [{ ids: Uint32Array.of(80, 81, 82, 83), about: { from: 0, count: document.length } }]
  if (!needs.repeat) return []
  const { chunkTokens, tailTokens } = needs.repeat
  return Array.from({ length: Math.ceil(document.length / chunkTokens) }, (_, i) => {
    const from = i * chunkTokens
    const piece = document.subarray(from, from + chunkTokens)
    const tail = document.subarray(Math.max(0, from - tailTokens), from)
    return { ids: Uint32Array.of(85, 86, ...tail, 87, ...piece), about: { from, count: piece.length } }
  })
}

const memoryOf = (ops: Ops, model: Model, block: Block, documentTokens: number): Memory => ({
  layerCount: block.shape.layerCount,
  kvHeadCount: block.shape.kvHeadCount,
  entries: (layer, kvHead) => {
    const { starts, counts, positions, codes } = block.ranking(layer)
    const start = starts[kvHead] as number
    return Array.from({ length: counts[kvHead] as number }, (_, i) => ({
      position: positions[start + i] as number,
      code: codes?.[start + i],
    }))
  },
  residentBytes: block.stats().pairBytes + block.stats().headPartBytes,
  fileBytes: async () => {
    const folder = await mkdtemp(join(tmpdir(), 'compactor-methods-'))
    const path = join(folder, 'toy.cctx')
    const arrays = { tokenIds: new Uint32Array(documentTokens), sourceOffsets: new Uint32Array(documentTokens) }
    try {
      await writeContext(ops, path, { origin: toyOrigin, block, ...arrays })
      return (await stat(path)).size
    } finally {
      await rm(folder, { recursive: true })
    }
  },
  logits: (question) => {
    const nextPosition = head.length + documentTokens
    return new Sequence(ops, model, { block, nextPosition, precision: 'f32' }).next(question, new Control())
  },
  shrink: (pairs) => memoryOf(ops, model, shrink(ops, block, pairs), documentTokens),
})

const workbench =
  (ops: Ops) =>
  (group: number): Workbench => {
    const kvHeads = 2
    const model = toyModel(ops, { layers: 2, heads: kvHeads * group, kvHeads, headDim: 8, vocabulary: 97 })
    return {
      group,
      kvHeadCount: kvHeads,
      compress: async (method, document, { pairs, seed = 1, order, protect }) => {
        const [protectFirst, protectLast] = protect ?? [1, 1]
        const selection = { protectFirst, protectLast, heads: method.selection.heads }
        const input = {
          head,
          document,
          method,
          selection,
          pairs,
          precision: 'f32',
          seed,
          control: new Control(),
          streams: streamsFor(method, document),
        } as const
        const { block } = await prefill(ops, model, order ? { ...input, order } : input)
        return memoryOf(ops, model, block, document.length)
      },
      uncompressed: async (document, question) => {
        const sequence = new Sequence(ops, model, { nextPosition: 0, precision: 'f32' })
        await sequence.next(Uint32Array.of(...head, ...document), new Control())
        return sequence.next(question, new Control())
      },
    }
  }

/** Another way of a method that the table has. */
const variant = (name: string, options: Readonly<Record<string, string | number>>): MethodEntry => {
  const entry = methods.find((candidate) => candidate.name === name) as MethodEntry
  const given = Object.entries(options).map(([option, value]) => `${option}=${value}`)
  return { ...entry, name: `${name} with ${given.join(', ')}`, create: () => entry.create(options) }
}

const variants = [
  variant('compactor', { lambda: 'removed' }),
  variant('snapkv', { window: 'question' }),
  variant('kvzip', { chunkTokens: 32 }),
]

const reference = createReferenceOps()
const native = createNativeOps({ threads: 2, activations: 'f32' })
for (const entry of methods) testMethod(entry, { name: 'reference', workbench: workbench(reference), tolerance: 0 })
for (const entry of [...methods, ...variants])
  testMethod(entry, { name: 'native', workbench: workbench(native), tolerance: 1e-5 })
