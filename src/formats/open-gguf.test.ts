import assert from 'node:assert/strict'
import { renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { GgufWriter } from '../../test/fixtures/gguf-writer.ts'
import { temporaryFolder } from '../../test/fixtures/temporary-folder.ts'
import { CompactorError, type ErrorCode } from '../error.ts'
import { fingerprint } from '../hub/fingerprint.ts'
import { openGguf } from './open-gguf.ts'

const U32 = 4

interface Part {
  readonly number: number
  readonly count: number
  readonly tensor: string
  readonly promised?: number
}

const part = ({ number, count, tensor, promised = count }: Part): Buffer => {
  const writer = new GgufWriter().header(1, 3)
  writer.string('split.no').u32(U32, number).string('split.count').u32(U32, count)
  writer.string('split.tensors.count').u32(U32, promised)
  return writer
    .tensor(tensor, [4], 0)
    .pad()
    .raw(number + 1)
    .zeros(15)
    .bytes()
}

const nameOf = (number: number): string => `m-0000${number}-of-00003.gguf`

/** Three files in a folder; → the path of each by number */
const write = (
  t: TestContext,
  change: (number: number) => Partial<Part> = () => ({}),
): ((number: number) => string) => {
  const folder = temporaryFolder(t)
  for (const number of [1, 2, 3]) {
    const written = part({ number: number - 1, count: 3, tensor: `t${number}`, ...change(number) })
    writeFileSync(join(folder, nameOf(number)), written)
  }
  return (number) => join(folder, nameOf(number))
}

const refused = (code: ErrorCode, sentence: RegExp) => (error: unknown) =>
  error instanceof CompactorError && error.code === code && sentence.test(error.message)

test('a split.count that is text, 0 or 10^9 is refused as model-corrupt', (t) => {
  const path = join(temporaryFolder(t), 'm.gguf')
  const values = [
    ['"two words"', (writer: GgufWriter) => writer.u32(8).string('two words')],
    ['0', (writer: GgufWriter) => writer.u32(U32, 0)],
    ['1000000000', (writer: GgufWriter) => writer.u32(U32, 1e9)],
  ] as const
  for (const [shown, write] of values) {
    writeFileSync(path, write(new GgufWriter().header(0, 1).string('split.count')).pad().bytes())
    const sentence = new RegExp(`split.count is ${shown}, expected a whole number from 1 to 99999; get the file again$`)
    assert.throws(() => openGguf(path, 'm'), refused('model-corrupt', sentence))
  }
})

test('a model in 3 files is opened by the first, with the tensors of all', (t) => {
  const path = write(t)
  const { gguf, fileBytes, release } = openGguf(path(1), 'm')
  assert.deepEqual([...gguf.tensors.keys()], ['t1', 't2', 't3'])
  assert.deepEqual(
    [...gguf.tensors.values()].map(({ bytes }) => bytes[0]),
    [1, 2, 3],
  )
  assert.equal(fileBytes, 3 * part({ number: 0, count: 3, tensor: 't1' }).length)
  release()
})

test('a missing file, one that is not the first, and a first one of another name are refused with what to do', (t) => {
  const path = write(t)
  assert.throws(
    () => openGguf(path(2), 'm'),
    refused('model-unsupported', /is file 2 of a model in 3 files; open it by/),
  )
  rmSync(path(3))
  assert.throws(
    () => openGguf(path(1), 'm'),
    refused('file-unreadable', /m-00003-of-00003\.gguf is missing; get it too/),
  )
  renameSync(path(1), `${path(1)}.gguf`)
  assert.throws(
    () => openGguf(`${path(1)}.gguf`, 'm'),
    refused('model-unsupported', /first of 3 .* give it back its name/),
  )
})

test('files of two models, a tensor twice and a wrong count of tensors are refused as model-corrupt', (t) => {
  const wrong: readonly [(number: number) => Partial<Part>, RegExp][] = [
    [(number) => (number === 2 ? { number: 2 } : {}), /file 2 says that it is 3 of 3/],
    [(number) => (number === 3 ? { count: 4 } : {}), /file 3 says that it is 3 of 4/],
    [() => ({ tensor: 'same' }), /tensor same is in two of them/],
    [() => ({ promised: 5 }), /they hold 3 tensors, the first promises 5/],
  ]
  for (const [change, sentence] of wrong) {
    const path = write(t, change)
    assert.throws(() => openGguf(path(1), 'm'), refused('model-corrupt', sentence))
  }
})

test('the fingerprint of 3 files changes with any of them', async (t) => {
  const home = temporaryFolder(t)
  const path = write(t)
  const before = await fingerprint(path(1), { home })
  assert.match(before, /^[0-9a-f]{64}$/)
  assert.equal(await fingerprint(path(1), { home }), before)
  writeFileSync(path(3), part({ number: 2, count: 3, tensor: 'other' }))
  assert.notEqual(await fingerprint(path(1), { home }), before)
})
