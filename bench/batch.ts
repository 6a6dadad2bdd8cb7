/**
 * What answering together gains: 1 to 16 questions about one context against the same ones after another, and a question
 * about each of several different contexts at once, the whole cache against a compressed one. Different contexts are copies
 * of one file, mapped each by itself, so that no two share a byte. Batches and single questions take turns.
 *
 *   npm run bench batch -- [--model qwen2.5-coder-0.5b] [--tokens 8000] [--keep 0.25] [--answer 32] [--rounds 3] [--documents 16]
 */
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { machine, machineLine } from '../src/eval/machine.ts'
import { type Context, createEngine, type LoadedModel } from '../src/index.ts'
import { documentOf, modelFile } from './document.ts'
import { readBandwidth } from './reading.ts'
import { weightBytes } from './subject.ts'
import { median, spread, table, writeResult } from './table.ts'

const question = 'Tell me, at length and in your own words, everything that this text says.'

/** Of what stands for no document: enough to talk about. */
const shortTokens = 100

interface Setting {
  readonly model: LoadedModel
  readonly maxTokens: number
  readonly rounds: number
}

/** Output tokens per second from the call to the last answer's end. */
const rateOf = async ({ model, maxTokens }: Setting, contexts: readonly Context[]): Promise<number> => {
  const begun = performance.now()
  const answers = model.batch(
    contexts.map((context) => ({ context, question, maxTokens })),
    { maxBytes: 2 ** 40 },
  )
  const infos = await Promise.all(answers.map(({ done }) => done))
  const tokens = infos.reduce((sum, { usage }) => sum + usage.outputTokens, 0)
  return (tokens / (performance.now() - begun)) * 1000
}

const questionsTable = async (setting: Setting, context: Context): Promise<{ text: string; rates: object }> => {
  const rates: Record<number, { together: number[]; alone: number[] }> = {}
  for (const count of [1, 2, 4, 8, 16]) rates[count] = { together: [], alone: [] }
  for (let round = 0; round < setting.rounds; round++)
    for (const [count, { together, alone }] of Object.entries(rates)) {
      together.push(await rateOf(setting, new Array<Context>(Number(count)).fill(context)))
      alone.push(await rateOf(setting, [context]))
    }
  const rows = Object.entries(rates).map(([count, { together, alone }]) => [
    count,
    spread(together),
    spread(alone),
    (median(together) / median(alone)).toFixed(2),
  ])
  return { text: table(['questions at once', 'tok/s', 'tok/s, one after another', 'ratio'], rows), rates }
}

interface Kind {
  readonly name: string
  readonly contexts: readonly Context[]
  readonly stepMs: number[]
}

/** Mean time of a step in which every context's answer grows by a token, the reading of the questions apart. */
const stepMsOf = async ({ model, maxTokens }: Setting, contexts: readonly Context[]): Promise<number> => {
  const answers = model.batch(
    contexts.map((context) => ({ context, question, maxTokens })),
    { maxBytes: 2 ** 40 },
  )
  const infos = await Promise.all(answers.map(({ done }) => done))
  const longest = infos.reduce((a, b) => (b.usage.outputTokens > a.usage.outputTokens ? b : a))
  return longest.timings.answerMs / (longest.usage.outputTokens - 1)
}

/**
 * Two limits. As computed here: steps would take what they take without documents, and the time of reading the caches once. By the
 * bytes, where computing takes no longer than reading them: weights and caches.
 */
const documentsTable = async (
  setting: Setting,
  kinds: readonly Kind[],
  { bandwidth, weights }: { readonly bandwidth: number; readonly weights: number },
): Promise<string> => {
  for (let round = 0; round < setting.rounds; round++)
    for (const { contexts, stepMs } of kinds) stepMs.push(await stepMsOf(setting, contexts))
  const [none, whole] = kinds as readonly [Kind, Kind]
  const bytes = ({ contexts }: Kind): number => contexts.reduce((sum, { stats }) => sum + stats.bytes, 0)
  const least = (kind: Kind): number => median(none.stepMs) + (bytes(kind) / bandwidth) * 1000
  const rows = kinds.map((kind) => {
    const gain = median(whole.stepMs) / median(kind.stepMs)
    const limit = least(whole) / least(kind)
    const bytesAllow = (weights + bytes(whole)) / (weights + bytes(kind))
    const compared = kind === none || kind === whole ? ['', '', ''] : [gain, limit, bytesAllow].map((x) => x.toFixed(2))
    return [`${kind.contexts.length}, ${kind.name}`, (bytes(kind) / 1e6).toFixed(0), spread(kind.stepMs), ...compared]
  })
  const columns = ['different documents at once', 'MB of all', 'ms a step', 'gain', 'limit', 'by the bytes']
  return `${table(columns, rows)}\n\nreading: ${(bandwidth / 1e9).toFixed(1)} GB/s`
}

export const run = async (args: string[]): Promise<void> => {
  const { values } = parseArgs({
    args,
    options: {
      model: { type: 'string', default: 'qwen2.5-coder-0.5b' },
      tokens: { type: 'string', default: '8000' },
      keep: { type: 'string', default: '0.25' },
      answer: { type: 'string', default: '32' },
      rounds: { type: 'string', default: '3' },
      documents: { type: 'string', default: '16' },
      threads: { type: 'string', default: '2' },
    },
  })
  const folder = mkdtempSync(join(tmpdir(), 'compactor-batch-'))
  const engine = await createEngine({ threads: Number(values.threads), backend: 'native' })
  try {
    const model = await engine.loadModel(modelFile(values.model))
    const setting = { model, maxTokens: Number(values.answer), rounds: Number(values.rounds) }
    const document = documentOf(values.model, Number(values.tokens))
    const copies = async (keep: number): Promise<Context[]> => {
      const made = await model.compress({ document, keep })
      const first = join(folder, `${keep}.cctx`)
      await made.save(first)
      await made.dispose()
      return Promise.all(
        Array.from({ length: Number(values.documents) }, (_, i) => {
          const path = join(folder, `${keep}-${i}.cctx`)
          copyFileSync(first, path)
          return model.openContext(path)
        }),
      )
    }
    const kept = await copies(Number(values.keep))
    const whole = await copies(1)
    const short = await model.compress({ document: documentOf(values.model, shortTokens), keep: 1 })
    const of = `${values.model}, ${values.tokens} tokens, answers of ${values.answer}`
    process.stdout.write(`${of}; ${machineLine(machine())}\n\n`)
    const questions = await questionsTable(setting, kept[0] as Context)
    process.stdout.write(`keep ${values.keep}\n\n${questions.text}\n\n`)
    const kinds: Kind[] = [
      { name: 'without a document', contexts: kept.map(() => short), stepMs: [] },
      { name: 'whole cache', contexts: whole, stepMs: [] },
      { name: `keep ${values.keep}`, contexts: kept, stepMs: [] },
    ]
    process.stdout.write(
      `${await documentsTable(setting, kinds, {
        bandwidth: readBandwidth(Number(values.threads)),
        weights: weightBytes(modelFile(values.model)),
      })}\n`,
    )
    const documents = Object.fromEntries(kinds.map(({ name, stepMs }) => [name, stepMs]))
    const result = { ...values, questions: questions.rates, documents }
    process.stdout.write(`${writeResult('batch', `${values.model}-${values.tokens}`, result)}\n`)
  } finally {
    await engine.dispose()
    rmSync(folder, { recursive: true })
  }
}
