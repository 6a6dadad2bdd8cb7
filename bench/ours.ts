/**
 * One measurement of this engine, in a process of its own; the other side of `peers/node-llama-cpp.mjs`, same argument,
 * same line. The worker is left out: it adds nothing to the arithmetic and the peer is called in its own process too.
 *
 * { modelPath, text, tokenCount, decodeCount, threads, keep?, activations?, isa? }
 */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { NativeOptions } from '../src/backends/native.ts'
import { blockBytes, idsOf, openSubject, readDocument, sequenceOver, weightBytes, write } from './subject.ts'

interface Job extends NativeOptions {
  readonly modelPath: string
  readonly text: string
  readonly tokenCount: number
  readonly decodeCount: number
  readonly keep?: number
}

const { modelPath, text, tokenCount, decodeCount, keep = 1, ...options } = JSON.parse(process.argv[2] ?? '') as Job
const subject = openSubject(modelPath, options)
const ids = idsOf(subject, readFileSync(text, 'utf8'), tokenCount)
const document = ids.subarray(0, -1)
const { block, ms } = await readDocument(subject, document, { keep })
// llama-bench decodes before it measures; here it is the compiler of JavaScript that a first answer is for.
await write(sequenceOver(subject, block), ids.subarray(-1), decodeCount + 1)
const { tokens, restMs } = await write(sequenceOver(subject, block), ids.subarray(-1), decodeCount + 1)
const { tokenizer } = subject.file

process.stdout.write(
  `${JSON.stringify({
    idsHash: createHash('sha256').update(ids).digest('hex').slice(0, 16),
    prefillPerSecond: (document.length / ms) * 1000,
    decodePerSecond: (decodeCount / restMs) * 1000,
    stepBytes: weightBytes(modelPath) + blockBytes(block),
    isa: subject.ops.isa,
    generated: Buffer.concat(tokens.slice(0, 12).map((id) => tokenizer.decodeBytes(id))).toString(),
  })}\n`,
)
