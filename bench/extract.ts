/**
 * Twelve fields of examples/document.txt found together, all at every step and with the bits of single questions (asAlone),
 * against twelve single questions: the time, the values, and whether what is drawn at temperature 1 keeps to the schema (by
 * ajv), with the usual filters and with none. The ways take turns. The same as commands, each a process: `compactor extract`
 * against twelve `compactor ask --schema`; that needs a build (`npm run build`).
 *
 *   npm run bench extract -- [--model qwen2.5-coder-0.5b] [--keep 0.25] [--rounds 3] [--commands 1] [--runs 50] [--fields FILE] [--threads 2]
 *
 * --commands: rounds of these. FILE is a JSON Schema of an object, as `compactor extract` takes it.
 */
import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { questionOf } from '../src/engine/extract.ts'
import { machine, machineLine } from '../src/eval/machine.ts'
import { type Context, createEngine, type ExtractOptions, type JsonSchema } from '../src/index.ts'
import { exampleText, modelFile } from './document.ts'
import { extractCommands } from './extract-commands.ts'
import { median, spread, table, writeResult } from './table.ts'

const text = (description: string, maxLength: number): JsonSchema => ({ type: 'string', maxLength, description })

const properties: Readonly<Record<string, JsonSchema>> = {
  dog: text('name of the station dog', 30),
  turbineCost: { type: 'integer', description: 'cost of the replacement motor of the wind turbine, crowns' },
  date: text('when the wind turbine was started again', 30),
  station: text('name of the station', 40),
  mechanic: text('name of the mechanic', 40),
  magnitude: { type: 'number', minimum: 0, description: 'magnitude of the small earthquake' },
  budget: text("the year's budget", 40),
  cook: text('name of the cook', 40),
  depth: text('depth of the current meters', 40),
  windSpeed: text('highest wind speed', 40),
  visitors: { type: 'integer', minimum: 0, maximum: 100_000, description: 'number of visitors' },
  summary: text('what the report is about', 120),
}

interface Fields {
  readonly type: 'object'
  readonly required: readonly string[]
  readonly properties: Readonly<Record<string, JsonSchema>>
}

/** All of them required, so that both ways ask for the same. */
const fieldsOf = (file: string | undefined): Fields => {
  const named =
    file === undefined ? { properties } : (JSON.parse(readFileSync(file, 'utf8')) as Pick<Fields, 'properties'>)
  return { type: 'object', required: Object.keys(named.properties), properties: named.properties }
}

type Values = Readonly<Record<string, unknown>>

const timed = async <T>(work: () => Promise<T>): Promise<readonly [T, seconds: number]> => {
  const begun = performance.now()
  return [await work(), (performance.now() - begun) / 1000]
}

const oneByOne = async (context: Context, fields: Fields): Promise<Values> => {
  const found: Record<string, unknown> = {}
  for (const [name, schema] of Object.entries(fields.properties))
    found[name] = await context.ask(questionOf(name, schema, true), { schema, maxTokens: 128 }).object
  return found
}

const sameCount = (values: Values, others: Values): number =>
  Object.keys(values).filter((name) => JSON.stringify(values[name]) === JSON.stringify(others[name])).length

interface Speed {
  readonly seconds: number[]
  readonly ratios: number[]
  same: number
  values: Values
}

/** The ways to find fields together, and single questions, in turn. */
const speed = async (context: Context, fields: Fields, rounds: number) => {
  const alone: number[] = []
  const ways: Readonly<Record<string, Speed>> = Object.fromEntries(
    Object.keys(waysTogether).map((name) => [name, { seconds: [], ratios: [], same: 0, values: {} }]),
  )
  for (let round = 0; round < rounds; round++) {
    const [single, took] = await timed(() => oneByOne(context, fields))
    alone.push(took)
    for (const [name, way] of Object.entries(ways)) {
      const [{ object }, seconds] = await timed(() =>
        context.extract(fields as unknown as JsonSchema, waysTogether[name]),
      )
      way.seconds.push(seconds)
      way.ratios.push(took / seconds)
      way.same = sameCount(object, single)
      way.values = object
    }
  }
  return { alone, ways }
}

const waysTogether: Readonly<Record<string, ExtractOptions>> = { together: { asAlone: false }, 'as alone': {} }

/** Runs whose value is valid, and the time of each. */
const sampled = async (context: Context, fields: Fields, runs: number, options: ExtractOptions) => {
  const validate = new Ajv2020({ strict: false }).compile(fields)
  const seconds: number[] = []
  const wrong: unknown[] = []
  for (let seed = 0; seed < runs; seed++) {
    const [{ object }, took] = await timed(() =>
      context.extract(fields as unknown as JsonSchema, { temperature: 1, seed, ...options }),
    )
    seconds.push(took)
    if (!validate(object)) wrong.push({ seed, object, errors: validate.errors })
  }
  return { seconds, valid: runs - wrong.length, wrong }
}

export const run = async (args: string[]): Promise<void> => {
  const { values } = parseArgs({
    args,
    options: {
      model: { type: 'string', default: 'qwen2.5-coder-0.5b' },
      keep: { type: 'string', default: '0.25' },
      rounds: { type: 'string', default: '3' },
      commands: { type: 'string', default: '1' },
      runs: { type: 'string', default: '50' },
      fields: { type: 'string' },
      threads: { type: 'string', default: '2' },
    },
  })
  const fields = fieldsOf(values.fields)
  const count = fields.required.length
  const engine = await createEngine({ threads: Number(values.threads), backend: 'native' })
  try {
    const model = await engine.loadModel(modelFile(values.model))
    const context = await model.compress({ document: exampleText(0), keep: Number(values.keep) })
    const about = `${values.model}, ${context.stats.originalTokens} tokens, keep ${values.keep}, ${count} fields`
    process.stdout.write(`${about}; ${machineLine(machine())}\n\n`)
    const { alone, ways } = await speed(context, fields, Number(values.rounds))
    const greedy = Object.entries(ways).map(([name, { seconds, ratios, same }]) => [
      name,
      spread(seconds, 2),
      spread(alone, 2),
      spread(ratios, 2),
      `${same} of ${count}`,
    ])
    const commands = extractCommands({
      model: modelFile(values.model),
      ...{ keep: values.keep, threads: values.threads, document: exampleText(0), fields },
      rounds: Number(values.commands),
    })
    if (commands.together.length > 0)
      greedy.push([
        'commands',
        spread(commands.together, 2),
        spread(commands.alone, 2),
        spread(
          commands.alone.map((alone, i) => alone / (commands.together[i] ?? Number.NaN)),
          2,
        ),
        `${sameCount(commands.values.together, commands.values.alone)} of ${count}`,
      ])
    process.stdout.write(`${table(['fields', 's', 'single questions, s', 'times as fast', 'same values'], greedy)}\n\n`)
    process.stdout.write(`${JSON.stringify(ways.together?.values)}\n\n`)
    const runs = Number(values.runs)
    const kinds: Readonly<Record<string, ExtractOptions>> = {
      'usual filters': {},
      'topK: 0': { topK: 0 },
      'no filter': { topK: 0, topP: 1, minP: 0 },
    }
    const draws: Record<string, Awaited<ReturnType<typeof sampled>>> = {}
    for (const [name, options] of Object.entries(runs > 0 ? kinds : {}))
      draws[name] = await sampled(context, fields, runs, options)
    const rows = Object.entries(draws).map(([name, { valid, seconds }]) => [
      name,
      `${valid} of ${runs}`,
      spread(seconds, 2),
      (median(seconds) / median(ways.together?.seconds ?? [])).toFixed(2),
    ])
    if (runs > 0) process.stdout.write(`${table(['at temperature 1', 'valid', 's', 'of greedy'], rows)}\n\n`)
    process.stdout.write(`${writeResult('extract', values.model, { ...values, alone, ways, commands, draws })}\n`)
    const wrong = Object.values(draws).flatMap((draw) => draw.wrong)
    if (wrong.length > 0) throw new TypeError(`not valid: ${JSON.stringify(wrong[0])}`)
  } finally {
    await engine.dispose()
  }
}
