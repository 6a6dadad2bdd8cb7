/**
 * One measurement of this engine, in a process of its own; the other side of `peers/node-llama-cpp.mjs`, same argument,
 * same line. The worker is left out: it adds nothing to the arithmetic and the peer is called in its own process too.
 *
 * { modelPath, text, tokenCount, decodeCount, threads, keep?, activations?, isa? }
 */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createNativeOps, type NativeOptions } from '../src/backends/native.ts'
import { Control } from '../src/engine/control.ts'
import { openModelFile } from '../src/engine/model-file.ts'
import { prefill } from '../src/engine/prefill.ts'
import { Sequence } from '../src/engine/sequence.ts'
import { createMethod } from '../src/methods/index.ts'

interface Job extends NativeOptions {
  readonly modelPath: string
  readonly text: string
  readonly tokenCount: number
  readonly decodeCount: number
  readonly keep?: number
}

const { modelPath, text, tokenCount, decodeCount, keep = 1, ...options } = JSON.parse(process.argv[2] ?? '') as Job
const ops = createNativeOps(options)
const { model, tokenizer } = openModelFile(ops, { path: modelPath, name: 'measured', fingerprint: '' })
const ids = tokenizer.encode(readFileSync(text, 'utf8')).slice(0, tokenCount)
if (ids.length < tokenCount) throw new RangeError(`the text has ${ids.length} tokens, ${tokenCount} are needed`)

const method = createMethod('compactor')
const document = ids.subarray(0, -1)
const control = new Control()
let start = performance.now()
const { block } = await prefill(ops, model, {
  head: new Uint32Array(),
  document,
  method,
  selection: method.selection,
  pairs: Math.round(keep * document.length * model.config.kvHeadCount),
  precision: 'f16',
  seed: 42,
  control,
})
const prefillMs = performance.now() - start

const best = (logits: Float32Array): number => {
  let index = 0
  for (let i = 1; i < logits.length; i++) if ((logits[i] ?? 0) > (logits[index] ?? 0)) index = i
  return index
}

const sequence = new Sequence(ops, model, { block, nextPosition: document.length, precision: 'f16' })
const generated = [best(await sequence.next(ids.subarray(-1), control))]
start = performance.now()
for (let i = 0; i < decodeCount; i++)
  generated.push(best(await sequence.next(Uint32Array.of(generated.at(-1) ?? 0), control)))
const decodeMs = performance.now() - start

process.stdout.write(
  `${JSON.stringify({
    idsHash: createHash('sha256').update(ids).digest('hex').slice(0, 16),
    prefillPerSecond: (document.length / prefillMs) * 1000,
    decodePerSecond: (decodeCount / decodeMs) * 1000,
    isa: ops.isa,
    generated: Buffer.concat(generated.slice(0, 12).map((id) => tokenizer.decodeBytes(id))).toString(),
  })}\n`,
)
