import assert from 'node:assert/strict'
import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { temporaryFolder } from '../test/fixtures/temporary-folder.ts'
import { checkLlamaBench, rateOf, runLlamaBench } from './llama-bench.ts'

const samplePath = new URL('./peers/llama-bench.sample.json', import.meta.url)
const sample = readFileSync(samplePath, 'utf8')

test('llama-bench: the rate of a real output of 4 tokens behind 128 is 115.395113 tokens per second', () => {
  assert.equal(rateOf(sample, { n_prompt: 0, n_gen: 4, n_depth: 128 }), 115.395113)
})

test('llama-bench: an output of another test, without a rate or without tests is refused with what was asked for', () => {
  const asked = { n_prompt: 0, n_gen: 4, n_depth: 128 }
  for (const other of [{ n_prompt: 512 }, { n_gen: 5 }, { n_depth: 0 }])
    assert.throws(() => rateOf(sample, { ...asked, ...other }), /was asked for \{.*\} and gave no rate of that/)
  for (const broken of ['[]', sample.replace(/"avg_ts": [\d.]+/, '"avg_ts": 0'), sample.replace('avg_ts', 'rate')])
    assert.throws(() => rateOf(broken, asked), /gave no rate of that/)
})

/** A program in place of llama-bench that notes what it was called with. */
const standIn = (folder: string, help: string): string => {
  const path = join(folder, 'llama-bench')
  const body = `const fs = require('node:fs'), args = process.argv.slice(2), of = (flag) => Number(args[args.indexOf(flag) + 1])
fs.appendFileSync(${JSON.stringify(join(folder, 'calls'))}, args.join(' ') + '\\n')
if (args[0] === '--help') console.log(${JSON.stringify(help)})
else console.log(JSON.stringify([{ n_prompt: of('-p'), n_gen: of('-n'), n_depth: args.includes('-d') ? of('-d') : 0, avg_ts: of('-p') ? 100 : 20 }]))`
  writeFileSync(path, `#!${process.execPath}\n${body}\n`)
  chmodSync(path, 0o755)
  return path
}

test('llama-bench: prefill and decoding behind it are 2 calls with the threads, attention and cache asked for', {
  skip: process.platform === 'win32' && 'no scripts as programs there',
}, (t) => {
  const folder = temporaryFolder(t)
  const path = standIn(folder, '-d, --n-depth <n>')
  checkLlamaBench(path)
  const job = { modelPath: 'm.gguf', tokenCount: 512, decodeCount: 64, threads: 2, flashAttention: true } as const
  assert.deepEqual(runLlamaBench(path, { ...job, cacheType: 'q8_0' }), { prefillPerSecond: 100, decodePerSecond: 20 })
  const settings = '-m m.gguf -t 2 -ngl 0 -fa 1 -r 1 -ctk q8_0 -ctv q8_0'
  assert.deepEqual(readFileSync(join(folder, 'calls'), 'utf8').split('\n'), [
    '--help',
    `${settings} -p 512 -n 0 -o json`,
    `${settings} -p 0 -n 64 -d 512 -o json`,
    '',
  ])
})

test('llama-bench: a path of nothing and one of another program are refused in one sentence', {
  skip: process.platform === 'win32' && 'no scripts as programs there',
}, (t) => {
  const folder = temporaryFolder(t)
  for (const [path, reason] of [
    [join(folder, 'absent'), /got .*absent: it cannot be run: .*ENOENT/],
    [standIn(folder, 'usage: something else'), /got .*llama-bench: what runs there does not know --n-depth/],
  ] as const)
    assert.throws(() => checkLlamaBench(path), { name: 'RangeError', message: reason })
})
