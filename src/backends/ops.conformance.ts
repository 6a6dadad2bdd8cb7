/**
 * The suite that every backend runs: each op against the reference on shapes and values that hurt, refusals, stopping,
 * and the same bits twice. The cases are in `*-cases.conformance.ts`, the limits in `tolerances.ts`; what the reference
 * itself must give is in `reference.test.ts`.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { CompactorError } from '../error.ts'
import { attentionCases } from './attention-cases.conformance.ts'
import { compare, type Deviation } from './deviation.conformance.ts'
import { digestCases } from './digest-cases.conformance.ts'
import { normals } from './draw.conformance.ts'
import { feedForwardCases, finishLayerCases, testFeedForward } from './feed-forward-cases.conformance.ts'
import { massCases } from './mass-cases.conformance.ts'
import { matmulCases } from './matmul-cases.conformance.ts'
import { methodCases } from './method-cases.conformance.ts'
import type { Ops, Tensor, Weight } from './ops.ts'
import { receivedCases } from './received-cases.conformance.ts'
import { createReferenceOps } from './reference.ts'
import { refusals } from './refusals.conformance.ts'
import { rowCases } from './row-cases.conformance.ts'
import { scoringCases } from './scoring-cases.conformance.ts'
import { blockLayout, type CpuOps, cpu } from './tensor.ts'
import { tileCases } from './tile-cases.conformance.ts'
import { type Family, tolerances } from './tolerances.ts'
import { transformerCases } from './transformer-cases.conformance.ts'

export type OpName = Exclude<keyof Ops, 'name'>

/** One call of one op. `run` makes its inputs and gives what is compared. */
export interface OpCase {
  readonly op: OpName
  readonly name: string
  readonly family: Family
  readonly run: (ops: Ops) => Tensor
  /** Terms of a sum, for `reduction`. */
  readonly terms?: number
  /** What errors are measured against, one per value of the result; absent: the result. */
  readonly magnitude?: () => Float64Array
  /** Where the backend may round factors, the result may be as far off as this, one per value. */
  readonly roundedBound?: () => Float64Array
}

export interface Skip {
  readonly reason: string
  readonly ops: readonly OpName[]
}

export interface SuiteOptions {
  readonly skip?: readonly Skip[]
  /** Ops in which the backend rounds factors, to 8 bits or to bfloat16. Default: none. */
  readonly rounding?: readonly OpName[]
}

const cases: readonly OpCase[] = [
  ...transformerCases,
  ...matmulCases,
  ...feedForwardCases,
  ...finishLayerCases,
  ...tileCases,
  ...attentionCases,
  ...receivedCases,
  ...scoringCases,
  ...massCases,
  ...methodCases,
  ...rowCases,
  ...digestCases,
]
const opNames: readonly OpName[] = [...new Set(cases.map(({ op }) => op))]

const usedByAll = ['scope', 'from', 'weight', 'read'] as const

/** What a function of a case gives, computed once for all backends of a run. */
const once = <T>(make: (opCase: OpCase) => T): ((opCase: OpCase) => T) => {
  const made = new WeakMap<OpCase, { readonly value: T }>()
  return (opCase) => {
    const known = made.get(opCase) ?? { value: make(opCase) }
    made.set(opCase, known)
    return known.value
  }
}

const expectedOf = once((opCase) => opCase.run(createReferenceOps()))
const magnitudeOf = once((opCase) => opCase.magnitude?.())
const roundedBoundOf = once((opCase) => opCase.roundedBound?.())

const isRequired = (name: string): boolean =>
  (process.env.REQUIRE_BACKENDS ?? '').split(',').includes(name.split(' ')[0] ?? '')

/** Why a backend cannot run here, unless REQUIRE_BACKENDS names it: then its absence is thrown. */
const absence = (name: string, createOps: () => CpuOps): string | undefined => {
  try {
    createOps().dispose()
    return undefined
  } catch (error) {
    if (isRequired(name) || !(error instanceof CompactorError && error.code === 'backend-unavailable')) throw error
    return error.message
  }
}

/** `name` begins with the backend's name, as REQUIRE_BACKENDS has it. */
export const testOps = (name: string, createOps: () => CpuOps, options: SuiteOptions = {}): void => {
  const { skip = [], rounding = [] } = options
  const absent = absence(name, createOps)
  describe(`${name} ops`, { skip: absent ?? false }, () => {
    for (const op of opNames) {
      const reason = skip.find(({ ops }) => ops.includes(op))?.reason
      test(`${name}: ${op} agrees with the reference`, { skip: reason ?? false }, (context) => {
        const ops = createOps()
        try {
          const mine = cases.filter((opCase) => opCase.op === op)
          const results = mine.map((opCase) => ({ opCase, ...deviationOf(ops, opCase, rounding.includes(opCase.op)) }))
          for (const line of summary(results)) context.diagnostic(`${name} ${op}: ${line}`)
          const failures = results.filter(({ limit, error }) => !(error <= limit))
          assert.deepEqual(failures.map(describeFailure), [])
        } finally {
          ops.dispose()
        }
      })
    }
    test(`${name}: every skip names an op that has cases`, () => {
      assert.deepEqual(
        skip.flatMap(({ ops }) => ops).filter((op) => !opNames.includes(op)),
        [],
      )
    })
    test(`${name}: every op has cases, but those that all cases use`, () => {
      const { name: _, watchAbort, dispose, ...ops } = createReferenceOps()
      assert.deepEqual(Object.keys(ops).sort(), [...opNames, ...usedByAll].sort())
    })
    test(`${name}: what is read is a copy`, async () => {
      const ops = createOps()
      const values = Float32Array.of(1, 2, 3)
      const read = await ops.read(ops.from(values, [3]))
      values[0] = 9
      assert.deepEqual(read, Float32Array.of(1, 2, 3))
      ops.dispose()
    })
    testEach(name, createOps)
    testFeedForward(name, createOps)
    testRefusals(name, createOps)
    testStopping(name, createOps)
    testRepeats(name, createOps)
  })
}

interface Result extends Deviation {
  readonly opCase: OpCase
  readonly family: Family
  readonly limit: number
}

const deviationOf = (ops: Ops, opCase: OpCase, mayRound: boolean): Omit<Result, 'opCase'> => {
  const want = cpu(expectedOf(opCase))
  const got = cpu(ops.scope(() => copyOf(opCase.run(ops))))
  assert.deepEqual([...got.shape, got.dtype], [...want.shape, want.dtype], `shape of ${opCase.name}`)
  const rounded = mayRound && opCase.roundedBound !== undefined
  const family = rounded ? 'rounded' : opCase.family
  const magnitude = rounded ? roundedBoundOf(opCase) : magnitudeOf(opCase)
  return {
    family,
    limit: tolerances[family].limit,
    ...compare(got, want, { family, magnitude, terms: opCase.terms ?? 1 }),
  }
}

const copyOf = (tensor: Tensor): Tensor => ({ ...cpu(tensor), data: cpu(tensor).data.slice() }) as Tensor

const summary = (results: readonly Result[]): string[] =>
  [...new Set(results.map(({ family }) => family))].map((family) => {
    const mine = results.filter((result) => result.family === family)
    const largest = mine.reduce((error, result) => Math.max(error, result.error), 0)
    return `${mine.length} cases, largest error ${largest.toPrecision(3)}, limit ${tolerances[family].limit} (${tolerances[family].unit})`
  })

const describeFailure = ({ opCase, family, error, limit, where }: Result): string =>
  `${opCase.name}: error ${error.toPrecision(3)} above ${limit} (${tolerances[family].unit}); ${where}`

const testRefusals = (name: string, createOps: () => CpuOps): void => {
  test(`${name}: ${refusals.length} wrong calls are refused with a sentence`, () => {
    const ops = createOps()
    for (const { what, call, error } of refusals) assert.throws(() => call(ops), error, what)
    ops.dispose()
  })
}

const testEach = (name: string, createOps: () => CpuOps): void => {
  test(`${name}: matmulEach of three weights of three types gives the bits of three products, normed and not, of 1 to 20 tokens`, () => {
    const ops = createOps()
    const columns = 512
    const weights = (['Q4_K', 'Q8_0', 'F16'] as const).map((type, i) => {
      const { values, bytes } = blockLayout[type]
      const zeros = new Uint8Array((30 * (i + 1) * columns * bytes) / values)
      return ops.weight(type, [30 * (i + 1), columns], zeros.fill(i + 7))
    })
    const biases = weights.map(({ shape: [rows] }) => ops.from(normals(rows, rows), [rows]))
    const norm = { gain: ops.from(normals(columns, 4), [columns]), epsilon: 1e-5 }
    for (const n of [1, 2, 3, 5, 17, 20])
      for (const count of [1, 2, 3]) {
        const x = ops.from(normals(n * columns, n), [n, columns])
        const normed = ops.rmsNorm(x, norm.gain, norm.epsilon)
        const options = { biases: biases.slice(0, count) }
        const outs = ops.matmulEach(x, weights.slice(0, count), options)
        const normedOuts = ops.matmulEach(x, weights.slice(0, count), { ...options, norm })
        for (let i = 0; i < count; i++) {
          const alone = (from: Tensor): Tensor => ops.matmul(from, weights[i] as Weight, { bias: biases[i] as Tensor })
          assert.deepEqual(outs[i], alone(x), `${n} tokens, weight ${i} of ${count}`)
          assert.deepEqual(normedOuts[i], alone(normed), `${n} tokens, normed, weight ${i} of ${count}`)
        }
      }
    ops.dispose()
  })
}

const stoppable = [
  'matmul',
  'feedForward',
  'finishLayer',
  'attend',
  'leverage',
  'chunkAttentionMass',
  'attentionReceived',
  'cosineToMean',
  'lagSpread',
  'lagRanks',
  'expectedAttention',
  'softmax',
  'argmax',
  'describeRows',
] as const satisfies readonly OpName[]

const testStopping = (name: string, createOps: () => CpuOps): void => {
  test(`${name}: a set abort word stops the ${stoppable.length} long ops, and a cleared one does not`, () => {
    const ops = createOps()
    const word = new Int32Array(new SharedArrayBuffer(4))
    ops.watchAbort(word)
    for (const op of stoppable) {
      const opCase = cases.findLast(
        (candidate) => candidate.op === op && candidate.run(createReferenceOps()).shape.every((size) => size > 0),
      )
      assert.ok(opCase)
      Atomics.store(word, 0, 1)
      assert.throws(() => opCase.run(ops), { code: 'aborted' }, op)
      Atomics.store(word, 0, 0)
      opCase.run(ops)
    }
    ops.dispose()
  })
}

const testRepeats = (name: string, createOps: () => CpuOps): void => {
  test(`${name}: ${cases.length} cases give the same bits when run again`, () => {
    const ops = createOps()
    for (const opCase of cases) {
      const first = cpu(ops.scope(() => copyOf(opCase.run(ops))))
      const second = cpu(ops.scope(() => copyOf(opCase.run(ops))))
      assert.deepEqual(new Uint8Array(first.data.buffer), new Uint8Array(second.data.buffer), opCase.name)
    }
    ops.dispose()
  })
}

/** Every case on two backends that must give the same bits, such as one with one thread and one with two. */
export const assertSameBits = (a: CpuOps, b: CpuOps): void => {
  for (const opCase of cases) {
    const first = cpu(a.scope(() => copyOf(opCase.run(a))))
    const second = cpu(b.scope(() => copyOf(opCase.run(b))))
    assert.deepEqual(
      new Uint8Array(first.data.buffer),
      new Uint8Array(second.data.buffer),
      `${opCase.op}: ${opCase.name}`,
    )
  }
}
