/**
 * How far a compressed document is from the whole one: KL divergence on the whole cache's own greedy answers, and word F1
 * against references. Protocol context-only: instruction and document are compressed without any question, each question
 * sees only what was kept. Paired over contexts, 95 % bootstrap intervals.
 *
 *   npm run bench faithfulness -- PATH.jsonl [--contexts 20] [--questions 5] [--model qwen2.5-coder-0.5b]
 *     [--variants compactor@0.5,compactor@0.25,random@0.25] [--max-tokens 32] [--threads 2] [--activations int8]
 */
import { homedir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { createNativeOps } from '../src/backends/native.ts'
import type { Ops } from '../src/backends/ops.ts'
import type { Block } from '../src/cache/block.ts'
import { Control } from '../src/engine/control.ts'
import { generate } from '../src/engine/generate.ts'
import { type ModelFile, openModelFile } from '../src/engine/model-file.ts'
import { createSampler } from '../src/engine/sampler.ts'
import { Sequence } from '../src/engine/sequence.ts'
import { argMax, klDivergence, logSoftmax } from '../src/eval/distance.ts'
import { documentOf, type Example, type Question } from '../src/eval/example.ts'
import { machine, machineLine } from '../src/eval/machine.ts'
import { metricOf } from '../src/eval/metrics/index.ts'
import { readExamples } from '../src/eval/read-examples.ts'
import { bootstrap, type Interval, mean } from '../src/eval/statistics.ts'
import type { Template } from '../src/tokenizer/template.ts'
import { table, writeResult } from './table.ts'
import { compressVariants, readVariant, type Variant } from './variants.ts'

/** One question under one variant; `kl` and `flips` sum over `tokens` positions of the whole cache's answer. */
interface Score {
  readonly context: string
  readonly question: string
  readonly variant: string
  readonly answer: string
  readonly f1: number
  readonly kl: number
  readonly flips: number
  readonly tokens: number
  readonly keptShare: number
}

interface Reader {
  readonly ops: Ops
  readonly file: ModelFile
  readonly template: Template
  readonly maxTokens: number
}

const full = 'full'

const questionIds = ({ file, template }: Reader, text: string): Uint32Array =>
  Uint32Array.of(...template.between, ...file.tokenizer.encode(text), ...template.end)

const sequenceOn = ({ ops, file, template }: Reader, block: Block): Sequence =>
  new Sequence(ops, file.model, { block, nextPosition: template.head.length + block.documentTokens, precision: 'f16' })

/** Greedy, as a user would get it. */
const answer = async (reader: Reader, block: Block, ids: Uint32Array) => {
  const options = { ids, maxTokens: reader.maxTokens, sampler: createSampler({}), stop: [], control: new Control() }
  const pieces = generate(sequenceOn(reader, block), reader.file.tokenizer, options)
  let text = ''
  for (;;) {
    const { value, done } = await pieces.next()
    if (done) return { text: text.trim(), tokens: value.tokens }
    text += value
  }
}

/** Log-probabilities before each of `tokens` and after the last one, with `tokens` given. */
const distributions = async (reader: Reader, block: Block, question: Uint32Array, tokens: readonly number[]) => {
  const sequence = sequenceOn(reader, block)
  const control = new Control()
  const found = [logSoftmax(await sequence.next(question, control))]
  if (tokens.length > 0)
    for await (const logits of sequence.all(Uint32Array.from(tokens), control)) found.push(logSoftmax(logits))
  return found
}

interface Asked {
  readonly example: Example
  readonly question: Question
  readonly ids: Uint32Array
}

/** The whole cache's own answer to a question, and what it expected at each of its tokens. */
interface Expected {
  readonly tokens: readonly number[]
  readonly logP: readonly Float64Array[]
}

const measureQuestion = async (reader: Reader, block: Block, asked: Asked, known: Expected | undefined) => {
  const { example, question, ids } = asked
  const given = await answer(reader, block, ids)
  const logQ = await distributions(reader, block, ids, known?.tokens ?? given.tokens)
  const expected = known ?? { tokens: given.tokens, logP: logQ }
  const { logP } = expected
  const score = {
    question: question.qid,
    answer: given.text,
    f1: metricOf('word-f1').score(given.text, question, example),
    kl: logP.reduce((sum, p, i) => sum + klDivergence(p, logQ[i] ?? p), 0),
    flips: logP.filter((p, i) => argMax(p) !== argMax(logQ[i] ?? p)).length,
    tokens: logP.length,
    keptShare: block.stats().keptShare,
  }
  return { score, expected }
}

/** All variants of one context: one prefill for each method. */
const measureContext = async (
  reader: Reader,
  example: Example,
  { questions: questionCount, variants }: { readonly questions: number; readonly variants: readonly Variant[] },
) => {
  const { file, template } = reader
  const ids = { head: template.head, document: file.tokenizer.encode(documentOf(example)) }
  const questions = example.questions.slice(0, questionCount).map((question) => ({
    example,
    question,
    ids: questionIds(reader, question.question + (question.answerPrefix ?? '')),
  }))
  const limited = { ...reader, maxTokens: Math.min(example.maxNewTokens, reader.maxTokens) }
  const scores: Score[] = []
  const expected = new Map<string, Expected>()
  for (const method of new Set(variants.map((variant) => variant.method))) {
    const own = variants.filter((variant) => variant.method === method)
    const { whole, blocks } = await compressVariants({ ops: reader.ops, model: file.model }, ids, own)
    const asked = expected.size === 0 ? new Map([[full, whole], ...blocks]) : blocks
    for (const [variant, block] of asked)
      for (const question of questions) {
        const { qid } = question.question
        const measured = await measureQuestion(limited, block, question, expected.get(qid))
        expected.set(qid, measured.expected)
        scores.push({ context: example.id, variant, ...measured.score })
      }
  }
  return { scores, documentTokens: ids.document.length }
}

/** Per context: F1 as mean over its questions, KL and flips as mean over all positions of its answers. */
const perContext = (scores: readonly Score[], variant: string, key: 'f1' | 'kl' | 'flips'): number[] =>
  [...new Set(scores.map(({ context }) => context))].map((context) => {
    const own = scores.filter((score) => score.context === context && score.variant === variant)
    if (key === 'f1') return mean(own.map(({ f1 }) => f1))
    return own.reduce((sum, score) => sum + score[key], 0) / own.reduce((sum, { tokens }) => sum + tokens, 0)
  })

const difference = (scores: readonly Score[], key: 'f1' | 'kl', [a, b]: readonly [string, string]): Interval => {
  const other = perContext(scores, b, key)
  return bootstrap(perContext(scores, a, key).map((value, i) => value - (other[i] ?? Number.NaN)))
}

const signed = ({ mean: value, low, high, n }: Interval, digits: number): string =>
  `${value.toFixed(digits)} (${n === 1 ? 'n = 1' : `${low.toFixed(digits)} … ${high.toFixed(digits)}`})`

const report = (scores: readonly Score[], names: readonly string[]): void => {
  const rows = names.map((name) => [
    name,
    mean(scores.filter(({ variant }) => variant === name).map(({ keptShare }) => keptShare)).toFixed(3),
    signed(bootstrap(perContext(scores, name, 'kl')), 4),
    mean(perContext(scores, name, 'flips')).toFixed(3),
    signed(bootstrap(perContext(scores, name, 'f1')), 3),
    name === full ? '' : signed(difference(scores, 'f1', [name, full]), 3),
  ])
  const head = ['variant', 'share kept', 'KL to full, nats a token', 'top-1 changed', 'word F1', 'F1 less full']
  process.stdout.write(`${table(head, rows)}\n\n`)
  for (const [i, a] of names.entries())
    for (const b of names.slice(i + 1))
      if (a !== full) process.stdout.write(`KL of ${a} less ${b}: ${signed(difference(scores, 'kl', [a, b]), 4)}\n`)
}

const readFlags = (args: string[]) => {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      contexts: { type: 'string', default: '20' },
      questions: { type: 'string', default: '5' },
      model: { type: 'string', default: 'qwen2.5-coder-0.5b' },
      variants: { type: 'string', default: 'compactor@0.5,compactor@0.25,random@0.25' },
      'max-tokens': { type: 'string', default: '32' },
      threads: { type: 'string', default: '2' },
      activations: { type: 'string', default: 'int8' },
    },
  })
  const [path] = positionals
  const { activations } = values
  if (path === undefined || positionals.length > 1)
    throw new RangeError('give one JSONL file of contexts and questions')
  if (activations !== 'int8' && activations !== 'f32')
    throw new RangeError(`--activations takes int8 or f32, got ${activations}`)
  return { ...values, activations, path, variants: values.variants.split(',').map(readVariant) } as const
}

export const run = async (args: string[]): Promise<void> => {
  const { path, variants, model, threads, activations, ...flags } = readFlags(args)
  const data = await readExamples(path)
  const examples = data.examples.slice(0, Number(flags.contexts))
  const ops = createNativeOps({ threads: Number(threads), activations })
  const home = process.env.COMPACTOR_HOME ?? join(homedir(), '.compactor')
  const file = openModelFile(ops, { path: join(home, 'models', `${model}.gguf`), name: model, fingerprint: '' })
  const reader = { ops, file, template: await file.template(), maxTokens: Number(flags['max-tokens']) }
  const scores: Score[] = []
  let tokenCount = 0
  for (const [index, example] of examples.entries()) {
    const start = performance.now()
    const measured = await measureContext(reader, example, { questions: Number(flags.questions), variants })
    scores.push(...measured.scores)
    tokenCount += measured.documentTokens
    const seconds = ((performance.now() - start) / 1000).toFixed(0)
    process.stderr.write(
      `${index + 1}/${examples.length} ${example.id}: ${measured.documentTokens} tokens, ${seconds} s\n`,
    )
  }
  const { templateHash } = reader.template
  const settings = {
    protocol: 'context-only',
    model,
    data: { name: data.name, sha256: data.sha256 },
    templateHash,
    seed: 42,
  }
  const written = writeResult('faithfulness', `${model}-${data.name}`, { ...settings, scores })
  const what = `${model}, ${data.name}: ${examples.length} contexts, ${tokenCount} tokens`
  process.stdout.write(`${what}; ${machineLine(machine())}\n\n`)
  report(scores, [full, ...variants.map(({ name }) => name)])
  process.stdout.write(`\n${written}\n`)
}
