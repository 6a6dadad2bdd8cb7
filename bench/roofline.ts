/**
 * What bounds each phase: its arithmetic and the bytes that it has to read, beside how fast this machine multiplies and
 * reads. The limit of products is what their instructions give, measured as the f32 peak is: tiles of bfloat16 with AMX, 8-bit
 * products with AVX-512 VNNI and AVX2. Draws docs/roofline.svg.
 *
 *   npm run bench roofline -- [--model qwen2.5-coder-0.5b] [--tokens 4000] [--rounds 3] [--write]
 */
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { machine, machineLine } from '../src/eval/machine.ts'
import { modelFile } from './document.ts'
import { drawPlot, type Line, type Mark } from './plot.ts'
import { multiplyPeak, productPeak, readBandwidth } from './reading.ts'
import { openSubject, type Subject, weightBytes } from './subject.ts'
import { median, table, writeResult } from './table.ts'
import { type PhaseTime, timePhases, together } from './three-phases.ts'

interface Phase {
  readonly name: string
  readonly operations: number
  readonly bytes: number
  readonly seconds: number
}

interface Sizes {
  readonly parameters: number // multiplied for each token, the output matrix apart
  readonly outputs: number // of the output matrix
  readonly weights: number // bytes
  readonly pairBytes: number // of a token's keys and values in all layers
  readonly attention: number // operations of a token for each one it sees
}

const sizesOf = ({ file: { model } }: Subject, path: string): Sizes => {
  const { layerCount, dim, headCount, kvHeadCount, headDim, vocabularySize, ...rest } = model.config
  const inner = 'feedForwardDim' in rest ? Number(rest.feedForwardDim) : 4 * dim
  const layer = 2 * headCount * headDim * dim + 2 * kvHeadCount * headDim * dim + 3 * inner * dim
  return {
    parameters: layerCount * layer,
    outputs: vocabularySize * dim,
    weights: weightBytes(path),
    pairBytes: layerCount * kvHeadCount * headDim * 2 * 2,
    attention: 4 * layerCount * headCount * headDim,
  }
}

const phasesOf = (sizes: Sizes, tokens: number, seconds: readonly number[], names: readonly string[]): Phase[] => {
  const { parameters, outputs, weights, pairBytes, attention } = sizes
  const token = 2 * (parameters + outputs) + attention * tokens
  const operations = [tokens * (2 * parameters + (attention * tokens) / 2), token, together * token]
  return names.map((name, i) => ({
    name,
    operations: operations[i] ?? Number.NaN,
    bytes: weights + tokens * pairBytes,
    seconds: seconds[i] ?? Number.NaN,
  }))
}

export const run = async (args: string[]): Promise<void> => {
  const { values } = parseArgs({
    args,
    options: {
      model: { type: 'string', default: 'qwen2.5-coder-0.5b' },
      tokens: { type: 'string', default: '4000' },
      rounds: { type: 'string', default: '3' },
      threads: { type: 'string', default: '2' },
      write: { type: 'boolean', default: false },
    },
  })
  const threads = Number(values.threads)
  const path = modelFile(values.model)
  const subject = openSubject(path, { threads })
  const sizes = sizesOf(subject, path)
  const tokens = Number(values.tokens)
  const rounds: PhaseTime[][] = []
  const [peaks, products, readings] = [[] as number[], [] as number[], [] as number[]]
  for (let round = 0; round < Number(values.rounds); round++) {
    peaks.push(multiplyPeak(threads))
    products.push(productPeak(threads))
    readings.push(readBandwidth(threads))
    rounds.push(await timePhases(subject, { tokens }))
  }
  const [peak, bandwidth] = [median(peaks), median(readings)]
  const names = (rounds[0] ?? []).map(({ name }) => name)
  const seconds = names.map((_, i) => median(rounds.map((round) => round[i]?.seconds ?? Number.NaN)))
  const phases = phasesOf(sizes, tokens, seconds, names)
  const limits: Limit[] = [
    { name: productNames[subject.ops.isa] ?? subject.ops.isa, rate: median(products) },
    { name: 'f32', rate: peak },
  ]
  const most = Math.max(...limits.map(({ rate }) => rate))
  const rows = phases.map(({ name, operations, bytes, seconds }) => {
    const least = Math.max(bytes / bandwidth, operations / most)
    return [
      name,
      (seconds * 1000).toFixed(1),
      (operations / seconds / 1e9).toFixed(0),
      (bytes / seconds / 1e9).toFixed(1),
      `${((least / seconds) * 100).toFixed(0)} %`,
      bytes / bandwidth > operations / most ? 'bytes' : 'arithmetic',
    ]
  })
  process.stdout.write(`${values.model}, kernels ${subject.ops.isa}; ${machineLine(machine())}\n`)
  process.stdout.write(
    `f32 peak ${(peak / 1e9).toFixed(0)} GFLOP/s, products ${(median(products) / 1e9).toFixed(0)}, reading ${(bandwidth / 1e9).toFixed(1)} GB/s\n\n`,
  )
  process.stdout.write(`${table(['phase', 'ms', 'GFLOP/s', 'GB/s', 'of the limit', 'bound by'], rows)}\n`)
  process.stdout.write(`${writeResult('roofline', values.model, { ...values, peaks, products, readings, phases })}\n`)
  if (values.write)
    writeFileSync(new URL('../docs/roofline.svg', import.meta.url), draw(phases, limits, bandwidth, values.model))
  subject.ops.dispose()
}

interface Limit {
  readonly name: string
  readonly rate: number // operations per second
}

const productNames: Readonly<Record<string, string>> = {
  amx: 'bfloat16 (AMX)',
  avx512: 'int8 (VNNI)',
  avx2: 'int8 (maddubs)',
}

const draw = (phases: readonly Phase[], limits: readonly Limit[], bandwidth: number, model: string): string => {
  const [least, most] = [0.5, 20_000]
  const lines = limits.map(({ name, rate }, i): Line => {
    const knee: [number, number] = [rate / bandwidth, rate / 1e9]
    const slope: [number, number][] = i === 0 ? [[least, (least * bandwidth) / 1e9]] : []
    return { name, points: [...slope, knee, [most, rate / 1e9]], isDashed: i > 0 }
  })
  const marks = phases.map(
    ({ name, operations, bytes, seconds }): Mark => ({ name, x: operations / bytes, y: operations / seconds / 1e9 }),
  )
  const top = Math.max(...limits.map(({ rate }) => rate)) / 1e9
  return drawPlot({
    title: `What bounds each phase: ${model}`,
    xTitle: 'operations for each byte that has to be read (log)',
    yTitle: 'GFLOP/s (log)',
    x: [least, most],
    y: [Math.min(5, (least * bandwidth) / 1e9), top * 1.6],
    lines,
    marks,
  })
}
