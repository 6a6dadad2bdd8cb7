/**
 * One measurement of llama.cpp through node-llama-cpp, in a process of its own so that neither side holds the other's
 * memory or threads. Takes one JSON argument, prints one JSON line. Prebuilt binary, CPU only, exactly `threads` threads.
 *
 * { modelPath, text, tokenCount, decodeCount, threads, flashAttention, cacheType? }
 */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { getLlama } from 'node-llama-cpp'

const { modelPath, text, tokenCount, decodeCount, threads, flashAttention, cacheType } = JSON.parse(process.argv[2])

// llama.cpp prints its own times through the logger; they leave out what the wrapper adds to every token.
let log = ''
const llama = await getLlama({
  gpu: false,
  build: 'never',
  skipDownload: true,
  maxThreads: 0, // no limit of the wrapper's own: the context's `threads` is what is used
  logLevel: 'info',
  logger: (_level, message) => {
    log += `${message}\n`
  },
})
const model = await llama.loadModel({ modelPath, gpuLayers: 0 })
const ids = model.tokenize(readFileSync(text, 'utf8'), false).slice(0, tokenCount)
if (ids.length < tokenCount) throw new RangeError(`the text has ${ids.length} tokens, ${tokenCount} are needed`)

const context = await model.createContext({
  contextSize: tokenCount + decodeCount + 8,
  batchSize: 512,
  flashAttention,
  threads: { ideal: threads, min: threads },
  performanceTracking: true,
  ...(cacheType && { experimentalKvCacheKeyType: cacheType, experimentalKvCacheValueType: cacheType }),
})
const sequence = context.getSequence()

/** What llama.cpp itself counted since the last call: [milliseconds, tokens] of the kind asked for. */
const ownTime = async (kind) => {
  log = ''
  await context.printTimings()
  const [, milliseconds, count] = new RegExp(`(?<!prompt )${kind} time =\\s*([\\d.]+) ms /\\s*(\\d+)`).exec(log) ?? []
  return [Number(milliseconds), Number(count)]
}

let start = performance.now()
await sequence.evaluateWithoutGeneratingNewTokens(ids.slice(0, -1))
const prefillMs = performance.now() - start
const [ownPrefillMs, ownPrefillCount] = await ownTime('prompt eval')

const generated = []
start = performance.now()
for await (const token of sequence.evaluate(ids.slice(-1), { temperature: 0 })) {
  generated.push(token)
  // The first token ends the prompt; the rate is taken over those after it.
  if (generated.length === 1) start = performance.now()
  if (generated.length > decodeCount) break
}
const decodeMs = performance.now() - start
const [ownDecodeMs, ownDecodeCount] = await ownTime('eval')

process.stdout.write(
  `${JSON.stringify({
    idsHash: createHash('sha256').update(Uint32Array.from(ids)).digest('hex').slice(0, 16),
    prefillPerSecond: ((tokenCount - 1) / prefillMs) * 1000,
    decodePerSecond: (decodeCount / decodeMs) * 1000,
    ownPrefillPerSecond: (ownPrefillCount / ownPrefillMs) * 1000,
    ownDecodePerSecond: (ownDecodeCount / ownDecodeMs) * 1000,
    threads: context.currentThreads,
    flashAttention: context.flashAttention,
    generated: model.detokenize(generated.slice(0, 12)),
    release: llama.llamaCppRelease.release,
    systemInfo: llama.systemInfo,
  })}\n`,
)
process.exit(0) // a clean dispose of the wrapper takes seconds and measures nothing
