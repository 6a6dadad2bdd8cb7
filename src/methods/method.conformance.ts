/**
 * What holds for every compression method, whatever it computes: ten points, run over the whole table. The suite knows
 * methods only; models, cache and engine come in through a workbench (test/methods.test.ts).
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Method, MethodEntry } from './method.ts'

export interface Entry {
  readonly position: number
  readonly code: number | undefined // undefined in position order
}

/** A compressed document as the suite sees it. */
export interface Memory {
  readonly layerCount: number
  readonly kvHeadCount: number
  entries(layer: number, kvHead: number): readonly Entry[]
  readonly residentBytes: number
  fileBytes(): Promise<number>
  logits(question: Uint32Array): Promise<Float32Array>
  shrink(pairs: number): Memory
}

export interface CompressOptions {
  readonly pairs: number // of a layer
  readonly seed?: number
  readonly order?: 'importance'
  readonly protect?: readonly [first: number, last: number]
}

/** One toy model. Heads: query heads to a KV head. */
export interface Workbench {
  readonly group: number
  readonly kvHeadCount: number
  compress(method: Method, document: Uint32Array, options: CompressOptions): Promise<Memory>
  /** The same question after the same document with an ordinary cache. */
  uncompressed(document: Uint32Array, question: Uint32Array): Promise<Float32Array>
}

export interface SuiteOptions {
  readonly name: string // of the backend
  readonly workbench: (group: number) => Workbench
  /** Largest relative difference of logits with everything kept in position order; 0 = bit for bit. */
  readonly tolerance: number
}

const document = (length: number, start = 7): Uint32Array =>
  Uint32Array.from({ length }, (_, i) => (start + i * 31 + ((i * i) % 17)) % 97)

const question = Uint32Array.of(3, 1, 4, 1, 5)
const tokens = 90
const protect = [4, 6] as const

const relative = (got: Float32Array, expected: Float32Array): number => {
  const scale = Math.max(...expected.map(Math.abs))
  return Math.max(...got.map((value, i) => Math.abs(value - (expected[i] as number)))) / scale
}

/** Everything that was kept, in storage order. */
const contents = (memory: Memory): readonly (readonly Entry[])[] =>
  Array.from({ length: memory.layerCount * memory.kvHeadCount }, (_, i) =>
    memory.entries(Math.floor(i / memory.kvHeadCount), i % memory.kvHeadCount),
  )

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0)

const pairsOf = (memory: Memory, layer: number): number =>
  sum(Array.from({ length: memory.kvHeadCount }, (_, head) => memory.entries(layer, head).length))

interface Suite extends SuiteOptions {
  readonly title: string
  readonly make: () => Method
}

const exactBudget = ({ title, make, workbench }: Suite): void => {
  test(`${title}: 1 exactly the budget is kept, in every layer unless they share one, 5 budgets`, async () => {
    const bench = workbench(3)
    for (const pairs of [21, 45, 64, 101, tokens * bench.kvHeadCount]) {
      const memory = await bench.compress(make(), document(tokens), { pairs, protect })
      const kept = Array.from({ length: memory.layerCount }, (_, layer) => pairsOf(memory, layer))
      if (make().selection.heads === 'model') assert.deepEqual([sum(kept)], [pairs * memory.layerCount])
      else assert.deepEqual(new Set(kept), new Set([pairs]))
    }
  })
}

const wholeEqualsUncompressed = ({ title, make, workbench, tolerance }: Suite): void => {
  test(`${title}: 2 everything kept gives the uncompressed logits, in importance order within 1e-5`, async () => {
    const bench = workbench(3)
    const pairs = tokens * bench.kvHeadCount
    const expected = await bench.uncompressed(document(tokens), question)
    const whole = await bench.compress(make(), document(tokens), { pairs })
    const got = await whole.logits(question)
    if (tolerance === 0) assert.deepEqual(got, expected)
    else assert.ok(relative(got, expected) < tolerance, `${relative(got, expected)}`)
    const ranked = await bench.compress(make(), document(tokens), { pairs, order: 'importance' })
    assert.ok(ranked.entries(0, 0)[0]?.code !== undefined, 'not ranked')
    assert.ok(relative(await ranked.logits(question), expected) < 1e-5)
  })
}

const orderedRuns = ({ title, make, workbench }: Suite): void => {
  test(`${title}: 3 positions are unique and in range, codes fall after the ${protect[0] + protect[1]} protected`, async () => {
    const memory = await workbench(3).compress(make(), document(tokens), { pairs: 64, protect })
    for (const run of contents(memory)) {
      const positions = run.map(({ position }) => position)
      assert.equal(new Set(positions).size, positions.length)
      assert.ok(positions.every((position) => position >= 0 && position < tokens))
      const codes = run.slice(protect[0] + protect[1]).map(({ code }) => code as number)
      assert.ok(codes.every((code, i) => i === 0 || code <= (codes[i - 1] as number)))
    }
  })
}

const protectedStay = ({ title, make, workbench }: Suite): void => {
  test(`${title}: 4 the first ${protect[0]} and last ${protect[1]} tokens stay at every budget`, async () => {
    const bench = workbench(3)
    for (const pairs of [1, 30, 100]) {
      const memory = await bench.compress(make(), document(tokens), { pairs, protect })
      for (const run of contents(memory)) {
        const kept = new Set(run.map(({ position }) => position))
        for (let i = 0; i < tokens; i++) if (i < protect[0] || i >= tokens - protect[1]) assert.ok(kept.has(i), `${i}`)
      }
    }
  })
}

const documentsApart = ({ title, make, workbench }: Suite): void => {
  test(`${title}: 5 a document compressed before or at the same time changes nothing`, async () => {
    const bench = workbench(3)
    const alone = contents(await bench.compress(make(), document(tokens), { pairs: 64 }))
    const method = make()
    await bench.compress(method, document(50, 11), { pairs: 40 })
    const after = contents(await bench.compress(method, document(tokens), { pairs: 64 }))
    const other = bench.compress(method, document(70, 5), { pairs: 50 })
    const beside = contents(await bench.compress(method, document(tokens), { pairs: 64 }))
    await other
    assert.deepEqual(after, alone)
    assert.deepEqual(beside, alone)
  })
}

const sameSeed = ({ title, make, workbench }: Suite): void => {
  test(`${title}: 6 the same seed gives the same result`, async () => {
    const options = { pairs: 64, seed: 9 }
    const [first, second] = [workbench(3), workbench(3)]
    const memory = await first.compress(make(), document(tokens), options)
    const again = await second.compress(make(), document(tokens), options)
    assert.deepEqual(contents(again), contents(memory))
    assert.deepEqual(await again.logits(question), await memory.logits(question))
  })
}

const shrinking = ({ title, make, workbench }: Suite): void => {
  if (make().nested)
    test(`${title}: 7 shrinking equals compressing to the smaller budget, 3 pairs of budgets`, async () => {
      const bench = workbench(3)
      for (const [large, small] of [
        [150, 64],
        [101, 45],
        [64, 21],
      ] as const) {
        const shrunk = (await bench.compress(make(), document(tokens), { pairs: large, protect })).shrink(small)
        const direct = await bench.compress(make(), document(tokens), { pairs: small, protect })
        assert.deepEqual(contents(shrunk), contents(direct))
        assert.deepEqual(await shrunk.logits(question), await direct.logits(question))
      }
    })
  else
    test(`${title}: 7 shrinking is refused, the ranking belongs to one budget`, async () => {
      const memory = await workbench(3).compress(make(), document(tokens), { pairs: 100 })
      assert.throws(() => memory.shrink(50), /compress the document again/)
    })
}

const groups = ({ title, make, workbench }: Suite): void => {
  test(`${title}: 8 groups of 1, 3, 7 and 8 query heads to a KV head`, async () => {
    for (const group of [1, 3, 7, 8]) {
      const bench = workbench(group)
      const memory = await bench.compress(make(), document(40), { pairs: 30, protect })
      const kept = Array.from({ length: memory.layerCount }, (_, layer) => pairsOf(memory, layer))
      assert.equal(sum(kept), 30 * memory.layerCount)
      assert.ok((await memory.logits(question)).every(Number.isFinite))
    }
  })
}

const shortDocuments = ({ title, make, workbench }: Suite): void => {
  test(`${title}: 9 documents of 1, 2 and 5 tokens`, async () => {
    const bench = workbench(3)
    for (const length of [1, 2, 5]) {
      const memory = await bench.compress(make(), document(length), { pairs: 1 })
      for (const run of contents(memory)) assert.equal(run.length, run.length === 0 ? 0 : Math.min(length, run.length))
      assert.ok(pairsOf(memory, 0) >= 1 && pairsOf(memory, 0) <= length * bench.kvHeadCount)
      assert.ok((await memory.logits(question)).every(Number.isFinite))
    }
  })
}

const smallerBytes = ({ title, make, workbench }: Suite): void => {
  test(`${title}: 10 resident and file bytes fall with what is kept, 4 budgets`, async () => {
    const bench = workbench(3)
    const sizes: { resident: number; file: number }[] = []
    for (const pairs of [800, 400, 200, 100]) {
      const memory = await bench.compress(make(), document(400), { pairs })
      sizes.push({ resident: memory.residentBytes, file: await memory.fileBytes() })
    }
    sizes.forEach(({ resident, file }, i) => {
      const next = sizes[i + 1]
      if (!next) return
      assert.ok(next.resident <= 0.6 * resident, `${next.resident} of ${resident}`)
      assert.ok(next.file < file, `${next.file} of ${file}`)
    })
  })
}

const points = [
  exactBudget,
  wholeEqualsUncompressed,
  orderedRuns,
  protectedStay,
  documentsApart,
  sameSeed,
  shrinking,
  groups,
  shortDocuments,
  smallerBytes,
]

export const testMethod = (entry: MethodEntry, options: SuiteOptions): void => {
  const suite = { ...options, title: `${entry.name} on ${options.name}`, make: (): Method => entry.create() }
  for (const point of points) point(suite)
}
