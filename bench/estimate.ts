/**
 * How far off `compactor estimate` is: what it says of a document beside what compressing and asking then take, each in a
 * process of its own, in turns. Two questions: one with an answer of a few tokens, one with an answer of 24. Needs a build
 * (`npm run build`).
 *
 *   npm run bench estimate -- [--models smollm2-135m] [--tokens 500,2000,6000] [--keep 0.25] [--rounds 3] [--document FILE]
 *     [--home FOLDER]   where measurements are remembered between runs; default: a new one, so that the first is measured
 */
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { machine, machineLine } from '../src/eval/machine.ts'
import type { Estimate } from '../src/index.ts'
import { compactor } from './command.ts'
import { documentOf, modelFile } from './document.ts'
import { median, table, writeResult } from './table.ts'

const questions = ['What is the name of the station dog?', 'Give a long summary of the whole text.']

interface Compressed {
  readonly seconds: number
  readonly fileBytes: number
  readonly stats: { readonly originalTokens: number; readonly bytes: number; readonly fullBytes: number }
}

interface Asked {
  readonly finishReason: 'stop' | 'length'
  readonly timings: { readonly questionMs: number; readonly answerMs: number }
  readonly usage: { readonly outputTokens: number }
}

const called = <T>(args: readonly string[], home: string): T => JSON.parse(compactor([...args, '--json'], home)) as T

interface Round {
  readonly estimate: Estimate
  readonly real: Compressed
  readonly asked: readonly Asked[] // an answer to each question
}

interface Place {
  readonly model: string
  readonly keep: string
  readonly document: string
  readonly home: string
}

const round = ({ model, keep, document, home }: Place): Round => {
  const chosen = ['-m', modelFile(model), '--keep', keep]
  const estimate = called<Estimate>(['estimate', document, ...chosen], home)
  const output = `${document}.cctx`
  const real = called<Compressed>(['compress', document, ...chosen, '-o', output, '--force'], home)
  const asked = questions.map((question) =>
    called<Asked>(['ask', output, question, '-m', modelFile(model), '--max-tokens', '24'], home),
  )
  return { estimate, real, asked }
}

/** "−12": predicted against real, in percent of the real. */
const off = (predicted: number, real: number): string => {
  const percent = Math.round((predicted / real - 1) * 100)
  return percent > 0 ? `+${percent}` : String(percent)
}

const rowOf = (model: string, rounds: readonly Round[]): string[] => {
  const pair = (predicted: (one: Round) => number, real: (one: Round) => number, digits: number): string[] => {
    const [a, b] = [median(rounds.map(predicted)), median(rounds.map(real))]
    return [`${a.toFixed(digits)} / ${b.toFixed(digits)}`, off(a, b)]
  }
  const timed = (predicted: (one: Round) => number, real: (one: Round) => number, digits: number): string[] => [
    ...pair(predicted, real, digits),
    rounds.map((one) => off(predicted(one), real(one))).join(' '),
  ]
  const first = ({ estimate }: Round): number => estimate.seconds.firstToken * 1000
  const next = ({ estimate }: Round): number => estimate.seconds.nextToken * 1000
  return [
    model,
    ...pair(
      ({ estimate }) => estimate.documentTokens,
      ({ real }) => real.stats.originalTokens,
      0,
    ),
    ...timed(
      ({ estimate }) => estimate.seconds.compress,
      ({ real }) => real.seconds,
      2,
    ),
    ...pair(
      ({ estimate }) => estimate.keptBytes / 1e6,
      ({ real }) => real.stats.bytes / 1e6,
      3,
    ),
    ...pair(
      ({ estimate }) => estimate.fileBytes / 1e6,
      ({ real }) => real.fileBytes / 1e6,
      3,
    ),
    ...questions.flatMap((_, index) => timed(first, ({ asked }) => asked[index]?.timings.questionMs ?? Number.NaN, 0)),
    ...questions.flatMap((_, index) => timed(next, ({ asked }) => stepMs(asked[index]), 1)),
    questions.map((_, index) => median(rounds.map(({ asked }) => asked[index]?.usage.outputTokens ?? 0))).join(' '),
  ]
}

/** The token that ends an answer takes a step and is not shown. */
const stepMs = (asked: Asked | undefined): number => {
  if (!asked) return Number.NaN
  const { timings, usage, finishReason } = asked
  return timings.answerMs / (finishReason === 'stop' ? usage.outputTokens : usage.outputTokens - 1)
}

const plain = (name: string): string[] => [name, '%']
const timed = (name: string): string[] => [name, '%', 'each round']
const columns = [
  ...plain('tokens'),
  ...timed('seconds'),
  ...plain('MB kept'),
  ...plain('MB file'),
  ...timed('ms to the first token'),
  ...timed('with the other question'),
  ...timed('ms a token'),
  ...timed('of a longer answer'),
  'tokens answered',
]

export const run = (args: string[]): void => {
  const { values } = parseArgs({
    args,
    options: {
      models: { type: 'string', default: 'smollm2-135m' },
      tokens: { type: 'string', default: '500,2000,6000' },
      keep: { type: 'string', default: '0.25' },
      rounds: { type: 'string', default: '3' },
      document: { type: 'string' },
      home: { type: 'string' },
    },
  })
  const folder = mkdtempSync(join(tmpdir(), 'compactor-estimate-'))
  const home = values.home ?? folder
  try {
    const measured = values.models.split(',').flatMap((model) => {
      const texts = values.document
        ? [readFileSync(values.document, 'utf8')]
        : values.tokens.split(',').map((tokens) => documentOf(model, Number(tokens)))
      const documents = texts.map((text, index) => {
        const document = join(folder, `${model}-${index}.txt`)
        writeFileSync(document, text)
        return { document, bytes: statSync(document).size, rounds: [] as Round[] }
      })
      for (let count = 0; count < Number(values.rounds); count++)
        for (const { document, rounds } of documents) rounds.push(round({ model, keep: values.keep, document, home }))
      return documents.map(({ rounds, bytes }) => ({ model, bytes, rounds }))
    })
    const head = ['predicted / real', ...columns]
    process.stdout.write(`keep ${values.keep}; ${machineLine(machine())}\n\n`)
    process.stdout.write(
      `${table(
        head,
        measured.map(({ model, rounds }) => rowOf(model, rounds)),
      )}\n`,
    )
    process.stdout.write(`${writeResult('estimate', values.models.replaceAll(',', '-'), { ...values, measured })}\n`)
  } finally {
    rmSync(folder, { recursive: true })
  }
}
