/** Every method of the table, with a non-nested variant beside them, through the conformance suite on both CPU backends. */
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
import { methods } from '../src/methods/index.ts'
import { type Memory, testMethod, type Workbench } from '../src/methods/method.conformance.ts'
import type { MethodEntry } from '../src/methods/method.ts'
import type { Model } from '../src/models/model.ts'
import { toyOrigin } from './fixtures/toy-context.ts'
import { toyModel } from './toy-model.ts'

const head = Uint32Array.of(90, 91, 92)

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
        const selection = protect
          ? { ...method.selection, protectFirst: protect[0], protectLast: protect[1] }
          : { ...method.selection, protectFirst: 1, protectLast: 1 }
        const input = {
          head,
          document,
          method,
          selection,
          pairs,
          precision: 'f32',
          seed,
          control: new Control(),
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

const compactor = methods.find(({ name }) => name === 'compactor') as MethodEntry
const budgetDependent: MethodEntry = {
  ...compactor,
  name: 'compactor with lambda=removed',
  create: () => compactor.create({ lambda: 'removed' }),
}

const reference = createReferenceOps()
const native = createNativeOps({ threads: 2, activations: 'f32' })
for (const entry of [...methods, budgetDependent]) {
  testMethod(entry, { name: 'reference', workbench: workbench(reference), tolerance: 0 })
  testMethod(entry, { name: 'native', workbench: workbench(native), tolerance: 1e-5 })
}
