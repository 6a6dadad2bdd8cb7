/** The report's page: what stands in it, that it loads nothing, and that no text of a result can act as markup. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, test } from 'node:test'
import { madeUpRun, madeUpTokens } from '../../../test/fixtures/made-up-run.ts'
import { type Element, readMarkup } from '../../../test/fixtures/markup.ts'
import type { ContextResult, RunSettings } from '../result.ts'
import { report } from './report.ts'

const quick = { resamples: 200 }

const withName = (elements: readonly Element[], name: string): Element[] =>
  elements.filter((element) => element.name === name)
const inner = (elements: readonly Element[], name: string): string[] =>
  withName(elements, name).map(({ text }) => text.trim())

/** Fails where a page shows a number that is none. */
const readReport = (runs: Parameters<typeof report>[0]): Element[] => {
  const page = report(runs, quick)
  assert.doesNotMatch(page.replace(/<script>[\s\S]*<\/script>/, ''), /NaN|Infinity|undefined|\[object/)
  return readMarkup(page)
}

describe('a whole run', () => {
  const run = madeUpRun({ contextsEach: 8 })
  const [first] = run.contexts
  assert.ok(first)
  const contexts = [{ ...first, tokens: madeUpTokens(run.settings) }, ...run.contexts.slice(1)]
  const elements = readReport([{ settings: run.settings, contexts }])
  const text = withName(elements, 'body')[0]?.text ?? ''

  test('the head states everything that repeats it', () => {
    const { settings } = run
    for (const stated of [
      settings.protocol,
      settings.model.name,
      settings.model.sha256,
      settings.model.templateHash,
      settings.machine.cpu,
      settings.commit,
      ...settings.data.flatMap(({ name, sha256, contexts: ids }) => [name, sha256, ...ids]),
      ...settings.variants.flatMap(({ name, method }) => [name, method]),
      'avx2 fma f16c',
      '2 threads',
      'at most 4 of each context',
      'at most 32 new tokens',
      'cache f16, activations q8',
      'lambda=0.5 sketch=48',
      'first 4, last 4',
      '32 of 32 contexts',
    ])
      assert.ok(text.includes(stated), stated)
  })

  test('there is a chart of score and KL, pooled, for a method’s options and for each of 4 data sets: 12', () => {
    const charts = withName(elements, 'svg').filter(({ attributes }) => attributes.class === 'plot')
    assert.equal(charts.length, 12)
    for (const { attributes } of charts) assert.match(attributes['aria-label'] ?? '', /\d+ contexts?;/)
  })

  test('a point says variant, value, interval, nominal and measured keep, and its number of contexts', () => {
    const titles = inner(elements, 'title')
    const point = titles.find((title) => title.startsWith('keydiff@0.25: KL'))
    assert.match(
      point ?? '',
      /^keydiff@0\.25: KL, nats a token [\d.]+ \([\d.]+ … [\d.]+\); nominal keep 0\.25, measured 25\.\d %; 32 contexts$/,
    )
  })

  test('tables name the protocol in every line, and data that the full cache cannot do stands apart', () => {
    const summaries = withName(elements, 'div').filter(({ attributes }) =>
      /too-hard|pooled|^needles$/.test(attributes['aria-label'] ?? ''),
    )
    assert.equal(summaries.length, 3)
    const lines = withName(readMarkup(report([{ settings: run.settings, contexts }], quick)), 'tr').filter(
      ({ text: line }) => /^(full|random@0\.5)/.test(line.trim()),
    )
    assert.ok(lines.filter(({ text: line }) => line.includes('context-only')).length >= 10)
    const headings = inner(elements, 'h4')
    assert.ok(headings.includes('Reported apart'))
    assert.ok(text.indexOf('Reported apart') < text.lastIndexOf('too-hard'))
  })

  test('the needle grid has a map for each line, 5 depths and 2 lengths; the layers one for each variant', () => {
    const captions = inner(elements, 'caption')
    assert.ok(captions.includes('full: mean score, 8 contexts, context-only'))
    assert.equal(captions.filter((caption) => /: mean score, 8 contexts/.test(caption)).length, 2 + 28)
    assert.equal(captions.filter((caption) => /: % kept, mean of 32 contexts/.test(caption)).length, 28)
    for (const row of ['0 %', '25 %', '50 %', '75 %', '100 %']) assert.ok(inner(elements, 'th').includes(row))
    for (const column of ['1,024', '2,048']) assert.ok(inner(elements, 'th').includes(column))
  })

  test('the one context with its tokens is shown as text for every variant', () => {
    const shown = withName(elements, 'div').filter(({ attributes }) => attributes.class === 'text')
    assert.equal(shown.length, 28)
    for (const { text: document } of shown) assert.equal(document, contexts[0]?.tokens?.texts.join(''))
  })
})

test('the page loads nothing and lets only its own script run, whose hash it names', () => {
  const page = report([madeUpRun({ contextsEach: 2 })], quick)
  const elements = readMarkup(page)
  const policy = withName(elements, 'meta').find(
    ({ attributes }) => attributes['http-equiv'] === 'Content-Security-Policy',
  )
  const scripts = withName(elements, 'script')
  assert.equal(scripts.length, 1)
  const hash = createHash('sha256')
    .update(scripts[0]?.text ?? '')
    .digest('base64')
  assert.equal(policy?.attributes.content, `default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-${hash}'`)
  const loading = elements.filter(({ attributes }) =>
    Object.keys(attributes).some((name) => /^(src|srcset|data|action|on.*)$/.test(name)),
  )
  assert.deepEqual(loading, [])
  assert.deepEqual(
    withName(elements, 'a').filter(({ attributes }) => !attributes.href?.startsWith('#')),
    [],
  )
  assert.doesNotMatch(page, /url\(|@import|https?:/)
})

const hostile = `</script><script>alert(1)</script>"'><img src=x onerror=alert(1)>&lt;\`\${1}\u001b[31m\u202e`

test('hostile text anywhere in a result stays text', () => {
  const { settings, contexts } = madeUpRun({
    contextsEach: 2,
    families: ['compactor', 'random'],
    keeps: [0.5],
    datasets: [{ name: 'a', full: 1 }],
  })
  const variants = settings.variants.map((variant) => ({
    ...variant,
    name: `${variant.name}${hostile}`,
    options: { [hostile]: hostile },
  }))
  const rename = <T>(record: Readonly<Record<string, T>>): Record<string, T> =>
    Object.fromEntries(
      Object.entries(record).map(([name, value]) => [/@/.test(name) ? `${name}${hostile}` : name, value]),
    )
  const bad: RunSettings = {
    ...settings,
    variants,
    model: { name: hostile, sha256: hostile, templateHash: hostile },
    data: settings.data.map((data) => ({ ...data, name: hostile, sha256: hostile, contexts: [hostile] })),
    machine: { cpu: hostile, features: [hostile], threads: 1 },
    commit: hostile,
    precision: hostile,
    activations: hostile,
  }
  const badContexts = contexts.map(
    (context): ContextResult => ({
      ...context,
      data: hostile,
      id: hostile,
      dataset: hostile,
      depth: 0.5,
      targetTokens: 1024,
      kept: rename(context.kept),
      questions: context.questions.map(({ qid, results }) => ({ qid: `${qid}${hostile}`, results: rename(results) })),
      tokens: {
        texts: ['plain ', hostile],
        kvHeads: 2,
        kept: Object.fromEntries(
          variants.map(({ name }) => [
            name,
            [
              [1, 2],
              [0, 2],
            ],
          ]),
        ),
      },
    }),
  )
  const elements = readReport([{ settings: bad, contexts: badContexts }])
  assert.equal(withName(elements, 'script').length, 1)
  assert.equal(withName(elements, 'img').length, 0)
  const shown = hostile.replace('\u001b', '␛').replace('\u202e', '\ufffd')
  assert.ok(inner(elements, 'h1')[0]?.includes(shown))
  assert.ok(
    withName(elements, 'div').some(({ attributes, text }) => attributes.class === 'text' && text === `plain ${shown}`),
  )
})

describe('little to show', () => {
  const tiny = { families: ['compactor'], keeps: [0.25], datasets: [{ name: 'questions', full: 1 }] }

  test('no run, and a run without a finished context, are sentences', () => {
    assert.match(readReport([])[0]?.text ?? '', /No run was given/)
    const { settings } = madeUpRun(tiny)
    const [page] = readReport([{ settings, contexts: [] }])
    assert.match(page?.text ?? '', /0 of 10 contexts[\s\S]*No context is finished yet/)
  })

  test('1 context of 1 variant has a mean, no interval and says n = 1', () => {
    const { settings, contexts } = madeUpRun({ ...tiny, contextsEach: 1 })
    const elements = readReport([{ settings, contexts }])
    const line = withName(elements, 'tr').find(({ text }) => text.startsWith('compactor@0.25') && text.includes('MB'))
    assert.match(line?.text ?? '', /n = 1/)
    assert.equal(withName(elements, 'polygon').length, 0)
  })

  test('without scores there is no chart of them, no needle grid and no column; without distances likewise', () => {
    const distances = readReport([madeUpRun({ contextsEach: 3, measures: ['distance'] })])
    const scores = readReport([madeUpRun({ contextsEach: 3, measures: ['score'] })])
    const columns = (elements: readonly Element[]): Set<string> => new Set(inner(elements, 'th'))
    assert.deepEqual([columns(distances).has('score'), columns(distances).has('KL, nats a token')], [false, true])
    assert.deepEqual([columns(scores).has('score'), columns(scores).has('KL, nats a token')], [true, false])
    assert.ok(!inner(distances, 'h3').includes('Needle grid'))
    assert.ok(inner(scores, 'h3').includes('Needle grid'))
  })

  test('contexts that tell no heads and results that are empty leave their sections out', () => {
    const { settings, contexts } = madeUpRun({ ...tiny, contextsEach: 2 })
    const bare = contexts.map((context) => ({
      ...context,
      kept: {},
      questions: context.questions.map(({ qid }) => ({ qid, results: {} })),
    }))
    const headings = inner(readReport([{ settings, contexts: bare }]), 'h3')
    assert.deepEqual(headings, ['Summary'])
  })
})

test('two runs stand one after another with links to them', () => {
  const runs = [madeUpRun({ contextsEach: 1 }), madeUpRun({ contextsEach: 1, measures: ['distance'] })]
  const elements = readReport(runs)
  assert.deepEqual(
    withName(elements, 'a').map(({ attributes }) => attributes.href),
    ['#run-1', '#run-2'],
  )
  assert.deepEqual(
    withName(elements, 'section').flatMap(({ attributes }) => attributes.id ?? []),
    ['run-1', 'run-2'],
  )
})
