/** Whole evaluations with a tiny model of random weights, and what is refused before any of them begins. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { writeData } from '../../test/fixtures/made-up-data.ts'
import { temporaryFolder } from '../../test/fixtures/temporary-folder.ts'
import { createEngine } from '../engine/engine.ts'
import { CompactorError } from '../error.ts'
import { summarise } from './aggregate.ts'
import { type EvaluateOptions, type EvaluationOptions, evaluate, prepareEvaluation } from './evaluate.ts'
import { fullBytesOf } from './result.ts'
import { toMarkdown } from './summary-markdown.ts'

const model = fileURLToPath(new URL('../../test/fixtures/toy-llama.gguf', import.meta.url)) // 512 tokens of context

const sameModel = (folder: string): Pick<EvaluateOptions, 'model' | 'home' | 'threads'> => ({
  model,
  home: folder,
  threads: 1,
})

const variants = ['compactor@0.5', 'compactor@1', 'random@0.5']

/** A folder for results and the options of a run on `contexts` made-up contexts. */
const madeUp = (t: TestContext, contexts = 2): { root: string; options: EvaluateOptions } => {
  const root = temporaryFolder(t)
  const data = [writeData(root, { contexts }).path]
  return { root, options: { ...sameModel(root), data, variants, folder: join(root, 'results') } }
}

for (const protocol of ['context-only', 'joint-prefill'] as const)
  test(`${protocol}: full and keep 1 are 0 ± 1e-4 from the whole cache, random 0.5 is further than that`, async (t) => {
    const { options } = madeUp(t)
    const { settings, contexts } = await evaluate({ ...options, protocol, measures: ['score', 'distance'] })
    assert.deepEqual([settings.protocol, settings.measures], [protocol, ['distance', 'score']])
    assert.equal(contexts.length, 2)
    for (const { questions, kept } of contexts) {
      assert.equal(questions.length, 2)
      assert.equal(kept['compactor@1']?.share, 1)
      for (const { results } of questions) {
        for (const name of ['full', 'compactor@1']) {
          const { kl = Number.NaN, flips, tokens = 0 } = results[name] ?? {}
          assert.ok(kl / tokens < 1e-4, `${name} is ${kl} nats from the whole cache`)
          assert.equal(flips, 0)
        }
        assert.ok((results['random@0.5']?.kl ?? 0) > 1e-4)
        assert.equal(results['compactor@1']?.answer, results.full?.answer)
        assert.equal(typeof results['closed-book']?.score, 'number')
      }
    }
    const table = toMarkdown(summarise(settings, contexts))
    assert.equal(/random@0\.5, joint-prefill/.test(table), protocol === 'joint-prefill')
  })

test('a model with windows: bytes kept hold the windows, half and all of the rest, as much as a compressed context says', async (t) => {
  const { options } = madeUp(t, 1)
  const gemma = fileURLToPath(new URL('../../test/fixtures/toy-gemma3.gguf', import.meta.url))
  const { contexts } = await evaluate({ ...options, model: gemma, variants: ['random@0.5', 'random@1'] })
  const [half, all] = ['random@0.5', 'random@1'].map((name) => contexts[0]?.kept[name])
  assert.ok(half && all && half.windowBytes !== undefined && half.windowBytes > 0)
  assert.equal(all.bytes, fullBytesOf(all))
  assert.ok(Math.abs(fullBytesOf(half) - all.bytes) < 1e-6)
  assert.ok(half.bytes - half.windowBytes < 0.51 * (all.bytes - half.windowBytes))
  await using engine = await createEngine({ home: options.folder, threads: 1 })
  const document = JSON.parse(readFileSync(options.data[0] ?? '', 'utf8').split('\n')[0] ?? '').context as string
  await using context = await (await engine.loadModel(gemma)).compress({ document, keep: 1, reserve: 64 })
  const { fullBytes, windowBytes, originalTokens, headTokens } = context.stats
  assert.equal(all.windowBytes, windowBytes)
  const perToken = (fullBytes - windowBytes) / originalTokens
  assert.ok(Math.abs(all.bytes - fullBytes) <= perToken * headTokens, `${all.bytes} and ${fullBytes}`)
})

test('a task made up for the run: its name, length and options determine the contexts, which carry depth and length', async (t) => {
  const root = temporaryFolder(t)
  const run = await evaluate({
    ...sameModel(root),
    data: ['needle'],
    variants: ['random@0.5'],
    folder: join(root, 'results'),
    lengths: [360],
    samples: 1,
    taskOptions: { depthStep: 50, needle: 'The code is {number}.', question: 'The code?' },
    haystack: 'It rained. The sun came out. '.repeat(20),
    questions: 1,
  })
  const [data] = run.settings.data
  assert.equal(data?.name, 'needle@360')
  assert.match(data?.sha256 ?? '', /^[0-9a-f]{64}$/)
  assert.deepEqual(run.contexts.map(({ depth }) => depth).sort(), [0, 0.5, 1])
  assert.deepEqual(new Set(run.contexts.map(({ targetTokens }) => targetTokens)), new Set([360]))
})

test('limits, lengths of documents and a committed subset choose contexts; questions are at most as many as asked for', async (t) => {
  const { root, options } = madeUp(t, 4)
  const [path = ''] = options.data
  const short = writeData(root, { name: 'short', contexts: 2, characters: 100 })
  const subset = join(root, 'subset.json')
  writeFileSync(
    subset,
    JSON.stringify({ seed: 1, data: [{ name: 'short', sha256: short.sha256, contexts: ['c1', 'c0'] }] }),
  )
  const run = async (folder: string, more: Partial<EvaluateOptions>): Promise<readonly string[]> => {
    const { contexts } = await evaluate({ ...options, variants: ['random@0.5'], folder: join(root, folder), ...more })
    for (const { questions } of contexts) assert.equal(questions.length, more.questions ?? 2)
    return contexts.map(({ data, id }) => `${data} ${id}`)
  }
  assert.equal((await run('limited', { limit: 2, questions: 1 })).length, 2)
  assert.deepEqual(await run('subset', { data: [short.path], subset }), ['short c1', 'short c0'])
  assert.deepEqual(await run('cut', { data: [short.path], subset, limit: 1 }), ['short c1'])
  assert.equal(
    (await run('long', { data: [path, short.path], minDocument: 90, perDataset: 1, questions: 1 })).length,
    2,
  )
})

test('a run that is stopped after its first context goes on there and leaves the same bytes as one that was not', async (t) => {
  const { root, options } = madeUp(t, 3)
  const whole = await evaluate(options)
  const folder = join(root, 'stopped')
  const stop = new AbortController()
  const stopped = evaluate({
    ...options,
    folder,
    signal: stop.signal,
    onProgress: ({ doneContexts }) => doneContexts === 1 && stop.abort(),
  })
  await assert.rejects(stopped, (error) => error instanceof CompactorError && error.code === 'aborted')
  const lines = join(folder, 'contexts.jsonl')
  const before = readFileSync(lines, 'utf8')
  assert.ok(before.split('\n').length - 1 < 3, 'it was stopped in time')
  writeFileSync(lines, `${before}{"data":"half of a li`)
  const seen: number[] = []
  const again = await evaluate({ ...options, folder, onProgress: ({ doneContexts }) => void seen.push(doneContexts) })
  assert.ok((seen[0] ?? 0) >= 1, 'what was done is not done again')
  assert.equal(readFileSync(lines, 'utf8'), readFileSync(join(options.folder, 'contexts.jsonl'), 'utf8'))
  assert.deepEqual(again, { ...whole, settings: { ...whole.settings, commit: again.settings.commit } })
})

test('progress ends with every context and token done', async (t) => {
  const { options } = madeUp(t)
  const told: { doneContexts: number; doneTokens: number; tokens: number; currentTokens: number }[] = []
  await evaluate({ ...options, onProgress: (progress) => void told.push(progress) })
  const last = told.at(-1)
  assert.deepEqual([last?.doneContexts, last?.doneTokens, last?.currentTokens], [2, last?.tokens, 0])
  assert.equal(told[0]?.doneTokens, 0)
})

test('what a listener throws ends the run and comes back', async (t) => {
  const { options } = madeUp(t)
  const broken = new TypeError('the listener is broken')
  const onProgress = (): void => {
    throw broken
  }
  await assert.rejects(evaluate({ ...options, onProgress }), broken)
})

// -- what is refused ----------------------------------------------------------------------------------------------------

/** Each refused before a model is opened and before a folder is made. */
const refusals: Readonly<Record<string, readonly [options: Partial<EvaluationOptions>, sentence: RegExp]>> = {
  'a folder without a name': [{ folder: '' }, /expected the folder to write results to/],
  'no data': [{ data: [] }, /expected data: paths of JSONL files or names of tasks/],
  'an unknown task, with a suggestion': [{ data: ['neddle'] }, /unknown task "neddle".*did you mean needle\?/],
  'a RULER task that there is not': [
    { data: ['ruler/niah_singel_1'] },
    /unknown task.*did you mean ruler\/niah_single_1/,
  ],
  'a file that there is not': [{ data: ['nowhere.jsonl'] }, /cannot read nowhere\.jsonl: it does not exist/],
  'a task that needs data of the user': [{ data: ['ruler'], taskOptions: { data: 'x' } }, /has an option "data"/],
  'an option that no task has': [
    { data: ['needle'], taskOptions: { depthstep: 5 } },
    /"depthstep".*did you mean depthStep/,
  ],
  'a value that a task does not take': [
    { data: ['needle'], taskOptions: { depthStep: 'x' } },
    /depthStep of task needle/,
  ],
  'lengths for files': [{ lengths: [300] }, /no task is among the data/],
  'the same data twice': [{ data: ['needle', 'needle'] }, /two data sets are called needle/],
  'an unknown method': [{ variants: ['compacter@0.5'] }, /unknown method "compacter".*did you mean compactor/],
  'an unknown option of a method': [{ variants: ['compactor?lamda=1@0.5'] }, /no option "lamda"/],
  'a variant without a keep': [{ variants: ['compactor'] }, /a variant is METHOD@KEEP.*got "compactor"/],
  'a keep above 1': [{ variants: ['compactor@1.5'] }, /above 0 up to 1, got 1\.5/],
  'a variant twice': [{ variants: ['random@0.5', 'random@0.5'] }, /random@0\.5 is named twice/],
  'no variant': [{ variants: [] }, /at least one variant/],
  'an unknown protocol': [
    { protocol: 'joint' as 'joint-prefill' },
    /protocol must be context-only or joint-prefill, got joint/,
  ],
  'an unknown measure': [{ measures: ['speed' as 'score'] }, /measures must be distance or score, got speed/],
  'no measure': [{ measures: [] }, /'distance', 'score' or both/],
  'an unknown option': [{ limits: 3 } as Partial<EvaluationOptions>, /evaluate has no option "limits"/],
  'a limit of 0': [{ limit: 0 }, /limit must be at least 1, got 0/],
  'a negative seed': [{ seed: -1 }, /seed must be a whole number/],
  'no room between the limits': [{ minDocument: 9, maxDocument: 3 }, /minDocument must not exceed maxDocument/],
  '0 threads': [{ threads: 0 }, /threads must be a whole number from 1/],
  'a subset that there is not': [{ subset: 'none.json' }, /cannot read the subset none\.json: it does not exist/],
  'a subset of a task': [{ data: ['needle'], subset: 'SUBSET' }, /a subset is about files, and needle is a task/],
  'a subset and perDataset': [{ subset: 'SUBSET', perDataset: 1 }, /leave out perDataset/],
}

for (const [name, [more, sentence]] of Object.entries(refusals))
  test(`refused: ${name}`, async (t) => {
    const root = temporaryFolder(t)
    const { path, sha256 } = writeData(root)
    const subset = join(root, 'subset.json')
    writeFileSync(subset, JSON.stringify({ data: [{ name: 'made_up', sha256, contexts: ['c0'] }] }))
    const options = { data: [path], variants, folder: join(root, 'results'), ...more }
    const given = options.subset === 'SUBSET' ? { ...options, subset } : options
    await assert.rejects(prepareEvaluation(given), (error) => isSentence(error, sentence))
    assert.ok(!existsSync(join(root, 'results')))
  })

const isSentence = (error: unknown, sentence: RegExp): boolean => {
  assert.ok(error instanceof CompactorError || error instanceof TypeError || error instanceof RangeError)
  assert.match(error.message, sentence)
  assert.doesNotMatch(error.message, /\n/)
  return true
}

const refuses = (promise: Promise<unknown>, sentence: RegExp): Promise<void> =>
  assert.rejects(promise, (error) => isSentence(error, sentence))

test('refused: data files that are empty or malformed, with the line; ones that are not those of the subset', async (t) => {
  const { root, options } = madeUp(t)
  const bad = join(root, 'bad.jsonl')
  const [path = ''] = options.data
  const withData = (text: string): Promise<unknown> => {
    writeFileSync(bad, text)
    return evaluate({ ...options, data: [bad] })
  }
  await refuses(withData(''), /bad\.jsonl has no line with a context/)
  await refuses(withData(`${readFileSync(path, 'utf8')}{"id": \n`), /bad\.jsonl, line 3: not JSON/)
  await refuses(withData('{"id": "a"}\n'), /bad\.jsonl, line 1: expected a context with "questions"/)
  const subset = join(root, 'subset.json')
  const withSubset = (value: unknown): Promise<unknown> => {
    writeFileSync(subset, typeof value === 'string' ? value : JSON.stringify(value))
    return evaluate({ ...options, subset })
  }
  const entry = { name: 'made_up', sha256: '0'.repeat(64), contexts: ['c0'] }
  await refuses(withSubset('{'), /is not a subset.*not JSON/)
  await refuses(withSubset({ data: [{ ...entry, contexts: [] }] }), /is not a subset: expected/)
  await refuses(withSubset({ data: [{ ...entry, name: 'other' }] }), /is about other, not made_up/)
  await refuses(withSubset({ data: [entry] }), /made_up is not the file.*drawn from.*expected 000000000000…/)
})

test('refused: contexts, tasks and lengths that the model or the limits leave no room for; a folder of another run', async (t) => {
  const { root, options } = madeUp(t)
  const long = writeData(root, { name: 'long', characters: 600, contexts: 1 })
  await refuses(
    evaluate({ ...options, data: [long.path] }),
    /context c0 of long.*trained on|document has \d+ tokens.*512/,
  )
  const task = { ...options, data: ['needle'], samples: 1 }
  await refuses(
    evaluate(task),
    /trained on 512 tokens, too few for needle at 500 and 2000 and 8000; ask for lengths up to 477/,
  )
  await refuses(evaluate({ ...task, lengths: [2000] }), /too few for needle at 2000/)
  await refuses(evaluate({ ...task, lengths: [100] }), /needle cannot be made 100 tokens long/)
  await refuses(
    evaluate({ ...options, minDocument: 400 }),
    /no context of made_up has from 400 to any number of tokens: they have 25\d to 26\d/,
  )
  assert.ok(!existsSync(options.folder))
  await evaluate({ ...options, limit: 1 })
  await refuses(evaluate(options), /results holds another run \(another subset of contexts\)/)
  await refuses(evaluate({ ...options, limit: 1, seed: 2 }), /holds another run \(another seed|another subset/)
  await refuses(evaluate({ ...options, limit: 1, variants: ['random@0.5'] }), /holds another run \(another variants\)/)
  const file = join(root, 'file')
  writeFileSync(file, '')
  await refuses(evaluate({ ...options, folder: join(file, 'results') }), /cannot make the folder/)
})
