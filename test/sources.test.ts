/** Where answers come from, on smollm2-135m with the native backend. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { type Context, createEngine, type Engine, type LoadedModel, placeAt, type Source } from '../src/index.ts'
import { newPlace } from './cli-process.ts'
import { modelPath } from './models.ts'

const paragraphs = [
  'The village of Morwen lies between two hills and has a market on Thursdays, where people sell wool, cheese and baskets.',
  'The bridge over the river Lisk was built of oak in 1702 and carried carts until a flood took the middle arch away.',
  'Doctor Amelie Brandt keeps bees behind the school and gives every pupil a jar of honey on the first day of summer.',
  'The bakery opens at five in the morning; its rye bread is baked with caraway and sold out before the church bell rings.',
  'In the cellar of the town hall stands a printing press from Antwerp, which nobody has dared to clean for thirty years.',
  'The ferry costs two crowns for a person and five for a horse, and it does not run when the lamp on the mill is red.',
  'A white owl named Cosima lives in the tower and has been drawn by every child of the village at least once.',
  'The school has forty pupils and one telescope, which was paid for by selling apples from the orchard of the parish.',
  'Old maps show a silver mine under the northern hill, but the entrance has been covered by a rockfall since 1840.',
  'Every autumn the choir sings in the barn of the Holt family, because the church is too cold after September.',
]
const document = paragraphs.join('\n\n')
const aboutOwl = 'What is the name of the white owl that lives in the tower?'
const aboutFerry = 'How much does the ferry cost for a horse?'

let folder: string
let engine: Engine
let model: LoadedModel
let context: Context

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'compactor-sources-'))
  engine = await createEngine({ threads: 2, home: folder, backend: 'native' })
  model = await engine.loadModel(modelPath('smollm2-135m'))
  context = await model.compress({ document, keep: 0.5 })
})

after(async () => {
  await engine.dispose()
  await rm(folder, { recursive: true })
})

const sourcesOf = async (question: string, count: number): Promise<readonly Source[]> => {
  const { sources } = await context.ask(question, { maxTokens: 24, sources: count }).done
  assert.ok(sources)
  return sources
}

test('sources: of 10 paragraphs at keep 0.5 the one about the owl is first for its question, the ferry for another', async () => {
  const [owl] = await sourcesOf(aboutOwl, 3)
  assert.match(owl?.text ?? '', /Cosima/)
  const [ferry] = await sourcesOf(aboutFerry, 3)
  assert.match(ferry?.text ?? '', /five for a horse/)
})

test('sources: ordered by share, 1 in sum for all 10 passages, offsets cover the quoted bytes, places are lines', async () => {
  const sources = await sourcesOf(aboutOwl, 50)
  assert.equal(sources.length, paragraphs.length)
  const shares = sources.map(({ share }) => share)
  assert.deepEqual(
    shares,
    [...shares].sort((a, b) => b - a),
  )
  assert.ok(Math.abs(shares.reduce((a, b) => a + b) - 1) < 1e-9)
  for (const { start, end, text, place } of sources) {
    assert.equal(Buffer.from(document).subarray(start, end).toString(), text)
    assert.equal(place, `line ${2 * paragraphs.indexOf(text) + 1} of the text`)
  }
  assert.equal(sources.find(({ text }) => /Cosima/.test(text))?.start, Buffer.from(document).indexOf('A white owl'))
})

test('sources: only where they were asked for; the answer is the same with them, and timings say what they took', async () => {
  const plain = context.ask(aboutOwl, { maxTokens: 24 })
  const asked = context.ask(aboutOwl, { maxTokens: 24, sources: 1 })
  assert.equal(await asked.text, await plain.text)
  assert.equal('sources' in (await plain.done), false)
  assert.equal((await plain.done).timings.sourcesMs, undefined)
  const { sources, timings } = await asked.done
  assert.deepEqual(Object.keys(sources?.[0] ?? {}).sort(), ['end', 'place', 'share', 'start', 'text'])
  assert.ok((timings.sourcesMs ?? 0) > 0)
})

test('sources: 0, -1, 1.5, 51 are refused in a sentence', async () => {
  for (const sources of [0, -1, 1.5, 51])
    await assert.rejects(context.ask(aboutOwl, { sources }).done, {
      name: 'RangeError',
      message: `sources must be a whole number from 1 to 50, got ${sources}`,
    })
})

test('sources: a batch, a fork and the first turn of a conversation name what ask names, and a second turn its own', async () => {
  const expected = await sourcesOf(aboutOwl, 2)
  const places = (sources: readonly Source[] | undefined): string[] => (sources ?? []).map(({ text }) => text)
  const options = { maxTokens: 24, sources: 2 }
  const [one, two] = model.batch([
    { context, question: aboutOwl, ...options },
    { context, question: aboutFerry, ...options },
  ])
  assert.deepEqual(places((await one?.done)?.sources)[0], expected[0]?.text)
  assert.match(places((await two?.done)?.sources)[0] ?? '', /ferry/)
  await using fork = context.fork()
  assert.deepEqual((await fork.ask(aboutOwl, options).done).sources, expected)
  await using chat = context.chat()
  assert.deepEqual((await chat.ask(aboutOwl, options).done).sources, expected)
  const [ferry] = (await chat.ask(aboutFerry, options).done).sources ?? []
  assert.match(ferry?.text ?? '', /ferry/)
})

test('sources: another turn of a conversation says the same whether the turn before was asked for its sources or not', async () => {
  await using plain = context.chat()
  await using asked = context.chat()
  await plain.ask(aboutOwl, { maxTokens: 16 }).text
  await asked.ask(aboutOwl, { maxTokens: 16, sources: 3 }).text
  assert.equal(await asked.ask(aboutFerry, { maxTokens: 16 }).text, await plain.ask(aboutFerry, { maxTokens: 16 }).text)
})

test('sources: places are those of the document: headings and pages', async () => {
  const middle = Buffer.byteLength(paragraphs.slice(0, 5).join('\n\n')) + 2
  const marks = [
    { offset: 0, kind: 'page', label: '1' },
    { offset: middle, kind: 'page', label: '2' },
    { offset: middle, kind: 'heading', label: 'Animals', level: 1 },
  ] as const
  const read = { name: 'village.pdf', text: document, format: 'pdf', marks, lineStarts: [], lineStep: 1 } as const
  await using paged = await model.compress({ document: { ...read, notes: [], skipped: [] }, keep: 0.5 })
  const [owl] = (await paged.ask(aboutOwl, { maxTokens: 24, sources: 1 }).done).sources ?? []
  assert.equal(owl?.place, 'page 2, § Animals')
  assert.equal(owl?.place, placeAt(read, owl?.start ?? 0))
})

test('ask --sources in another process: the same as in memory, as JSON and as a list behind the answer', async (t) => {
  const place = newPlace(t)
  await context.save(join(place.folder, 'village.cctx'))
  const words = [
    'ask',
    'village.cctx',
    aboutOwl,
    '-m',
    modelPath('smollm2-135m'),
    '--max-tokens',
    '24',
    '--threads',
    '2',
  ]
  const json = await place.run([...words, '--sources', '2', '--json'])
  assert.equal(json.exitCode, 0, json.stderr)
  const { answer, sources } = JSON.parse(json.stdout)
  assert.deepEqual(sources, await sourcesOf(aboutOwl, 2))
  const { stdout } = await place.run([...words, '--sources'])
  assert.ok(stdout.startsWith(`${answer}\n\nSources:\n  1. line 13 of the text (`), stdout)
  assert.equal(stdout.match(/^ {2}\d\. line \d+ of the text \(\d+\.\d+ %\)\n {5}".+"$/gm)?.length, 3)
  const refused = await place.run(['ask', 'village.cctx', '--sources', aboutOwl])
  assert.equal(refused.exitCode, 2)
  assert.match(refused.stderr, /--sources alone goes behind the question/)
})
