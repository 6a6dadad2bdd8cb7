import assert from 'node:assert/strict'
import { constants } from 'node:buffer'
import { execFileSync } from 'node:child_process'
import { readFileSync, renameSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { temporaryFolder } from '../../test/fixtures/temporary-folder.ts'
import { nativeAvailable } from '../backends/native.ts'
import { mapFile } from './map-file.ts'

const isMapped = (path: string): boolean => readFileSync('/proc/self/maps', 'utf8').includes(path)

test('map: 10,001 bytes are the file, and 0 after release, also in views made before', (context) => {
  const path = join(temporaryFolder(context), 'a file ü')
  const content = Uint8Array.from({ length: 10_001 }, (_, i) => i % 251)
  writeFileSync(path, content)
  const file = mapFile(path)
  const view = file.bytes.subarray(5, 10)
  assert.deepEqual(file.bytes, content)
  file.release()
  file.release()
  assert.equal(file.bytes.length, 0)
  assert.equal(view.length, 0)
  assert.equal(view[0], undefined)
})

test('map: after release the mapping is gone', {
  skip:
    (process.platform !== 'linux' && 'reads /proc') ||
    (!nativeAvailable().available && 'without the addon files are read, not mapped'),
}, async (context) => {
  const path = join(temporaryFolder(context), 'mapped')
  writeFileSync(path, 'content')
  const file = mapFile(path)
  assert.ok(isMapped(path))
  file.release()
  for (let turn = 0; turn < 100 && isMapped(path); turn++) await new Promise((resolve) => setImmediate(resolve))
  assert.ok(!isMapped(path))
})

test('map: a file that is replaced by rename keeps its old bytes in a mapping made before', (context) => {
  const path = join(temporaryFolder(context), 'replaced')
  writeFileSync(path, 'before')
  const file = mapFile(path)
  writeFileSync(`${path}.new`, 'after!')
  renameSync(`${path}.new`, path)
  assert.equal(Buffer.from(file.bytes).toString(), 'before')
  file.release()
})

test('map: a missing, an empty, a special file, a directory and a zero byte are refused as file-unreadable', (context) => {
  const folder = temporaryFolder(context)
  const empty = join(folder, 'empty')
  writeFileSync(empty, '')
  for (const [path, reason] of [
    [join(folder, 'none'), /no such file/],
    [empty, /is empty/],
    [folder, /is a directory/],
    ['/dev/null', /not a regular file/],
    [`${empty}\0`, /zero byte/],
  ] as const)
    assert.throws(() => mapFile(path), { code: 'file-unreadable', message: reason })
})

test('map: a file of 4 GiB + 1 byte is mapped, or refused with its size where Node cannot address it', (context) => {
  const path = join(temporaryFolder(context), 'large')
  const size = 2 ** 32 + 1
  writeFileSync(path, '')
  truncateSync(path, size)
  if (constants.MAX_LENGTH < size)
    return assert.throws(() => mapFile(path), { code: 'file-unreadable', message: /has 4294967297 bytes.*Node 22/ })
  const file = mapFile(path)
  assert.equal(file.bytes.length, size)
  assert.equal(file.bytes[size - 1], 0)
  file.release()
})

test('without the addon: 10,001 bytes are read as they are, views are empty after release, refusals are the same, and the reason names what to install', (context) => {
  const folder = temporaryFolder(context)
  const path = join(folder, 'read')
  writeFileSync(path, Buffer.alloc(10_001, 7))
  const program = `
    import { mapFile } from ${JSON.stringify(new URL('map-file.ts', import.meta.url))}
    import { nativeAvailable } from ${JSON.stringify(new URL('../backends/native.ts', import.meta.url))}
    const attempt = (path) => { try { return mapFile(path).bytes.length } catch ({ code, message }) { return code + ' ' + message } }
    const file = mapFile(process.argv[1])
    const { length } = file.bytes
    const view = file.bytes.subarray(5, 10)
    const sum = file.bytes.reduce((a, b) => a + b, 0)
    file.release()
    file.release()
    const refused = process.argv.slice(2).map(attempt)
    console.log(JSON.stringify({ length, sum, after: file.bytes.length + view.length, refused, native: nativeAvailable() }))`
  const empty = join(folder, 'empty')
  writeFileSync(empty, '')
  const large = join(folder, 'large')
  writeFileSync(large, '')
  truncateSync(large, constants.MAX_LENGTH < 2 ** 40 ? constants.MAX_LENGTH + 1 : 0)
  const output = execFileSync(
    process.execPath,
    [
      '--import',
      'tsx',
      '--input-type=module',
      '-e',
      program,
      path,
      join(folder, 'none'),
      empty,
      folder,
      '/dev/null',
      large,
    ],
    { env: { ...process.env, COMPACTOR_KV_PREBUILD: folder }, encoding: 'utf8' },
  )
  const { length, sum, after, refused, native } = JSON.parse(output)
  assert.deepEqual({ length, sum, after }, { length: 10_001, sum: 70_007, after: 0 })
  assert.match(refused[0], /^file-unreadable .*no such file/)
  assert.match(refused[1], /^file-unreadable .*is empty/)
  assert.match(refused[2], /^file-unreadable .*is a directory/)
  assert.match(refused[3], /^file-unreadable .*is not a regular file/)
  assert.match(refused[4], /^file-unreadable .*(bytes.*Node 22|is empty)/)
  assert.equal(native.available, false)
  assert.match(native.reason, /npm run build:native/)
})
