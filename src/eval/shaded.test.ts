/** Results that hold a document's tokens: from a tiny model of random weights to the page. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { writeData } from '../../test/fixtures/made-up-data.ts'
import { readMarkup } from '../../test/fixtures/markup.ts'
import { temporaryFolder } from '../../test/fixtures/temporary-folder.ts'
import { evaluate } from './evaluate.ts'
import { report } from './report/report.ts'
import { readRun } from './run-folder.ts'

test('shaded 1 of 2 contexts: the first holds its text and as many kept pairs as its bytes say, the page shows it', async (t) => {
  const root = temporaryFolder(t)
  const data = writeData(root, { contexts: 2 })
  const folder = join(root, 'results')
  await evaluate({
    model: fileURLToPath(new URL('../../test/fixtures/toy-llama.gguf', import.meta.url)),
    home: root,
    threads: 1,
    data: [data.path],
    variants: ['compactor@0.5', 'random@0.5', 'compactor@1'],
    folder,
    maxNewTokens: 2,
    shaded: 1,
  })
  const run = await readRun(folder) // as a later report would
  assert.equal(run.settings.shaded, 1)
  const [first, second] = run.contexts
  assert.ok(first?.tokens)
  assert.equal(second?.tokens, undefined)
  const { texts, kvHeads, kept } = first.tokens
  const line = readFileSync(data.path, 'utf8')
    .trim()
    .split('\n')
    .map((text) => JSON.parse(text) as { id: string; instruction: string; context: string })
    .find(({ id }) => id === first.id)
  assert.equal(texts.join(''), `${line?.instruction}\n\n${line?.context}`)
  assert.deepEqual(Object.keys(kept), ['compactor@0.5', 'random@0.5', 'compactor@1'])
  for (const [name, layers] of Object.entries(kept)) {
    const pairs = layers.flat().reduce((sum, count) => sum + count, 0)
    const share = pairs / (layers.length * kvHeads * texts.length)
    assert.ok(Math.abs(share - (first.kept[name]?.share ?? 0)) < 1e-12, `${name}: ${share}`)
  }
  assert.notDeepEqual(kept['compactor@0.5'], kept['random@0.5'])
  const shown = readMarkup(report([run], { resamples: 10 })).filter(({ attributes }) => attributes.class === 'text')
  assert.deepEqual(
    shown.map(({ text }) => text),
    Array.from({ length: 3 }, () => texts.join('')),
  )
})
