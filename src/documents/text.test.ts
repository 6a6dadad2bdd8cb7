import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { temporaryFolder } from '../../test/fixtures/temporary-folder.ts'
import { readDocument } from './read-document.ts'
import { decodeDocument } from './text.ts'

const invalid = (bytes: readonly number[], message: RegExp): void =>
  assert.throws(() => decodeDocument(Uint8Array.from(bytes), 'a.txt'), { code: 'document-invalid', message })

test('text: what is valid comes through unchanged, a byte order mark is removed', () => {
  const text = 'Grüße, 世界 😀\r\n\ttabs, \u0001 and U+FFFD \ufffd stay'
  assert.equal(decodeDocument(Buffer.from(text), 'a.txt'), text)
  assert.equal(decodeDocument(Buffer.from(`\ufeff${text}`), 'a.txt'), text)
})

test('text: empty, white space, a byte order mark alone, NUL bytes and UTF-16 are refused', () => {
  invalid([], /a\.txt is empty/)
  invalid([0x20, 0x0a], /white space/)
  invalid([0xef, 0xbb, 0xbf], /white space/)
  invalid([0x41, 0x00, 0x42], /binary file \(byte 1 is 0\)/)
  invalid([0xff, 0xfe, 0x41, 0x00], /UTF-16/)
})

test('text: the offset of the first wrong byte is named, for 6 kinds of wrong', () => {
  invalid([0x41, 0xff, 0x42], /byte 1 /)
  invalid([0xc3, 0x41], /byte 1 /) // a character that is broken off by the next
  invalid([0x41, 0xe4, 0xb8], /byte 3 /) // cut short: the file ends where byte 3 should be
  invalid([0xc0, 0xaf], /byte 0 /) // overlong
  invalid([0xed, 0xa0, 0x80], /byte 1 /) // surrogate
  const long = [...Buffer.from('é'.repeat(50_000)), 0x80, ...Buffer.from('é')]
  invalid(long, /byte 100000 /)
})

test('text: a missing file, an unknown option and an abort are refused by what they are', async (t) => {
  const folder = temporaryFolder(t)
  await assert.rejects(readDocument(join(folder, 'none')), { code: 'file-unreadable', message: /does not exist/ })
  writeFileSync(join(folder, 'a.txt'), 'text')
  assert.equal((await readDocument(join(folder, 'a.txt'))).text, 'text')
  await assert.rejects(readDocument('a', { nmae: 'b' } as object), { name: 'TypeError', message: /no option "nmae"/ })
  await assert.rejects(readDocument(join(folder, 'a.txt'), { signal: AbortSignal.abort() }), { code: 'aborted' })
})

test('text: a stream and a named pipe are read like a file, both up to 256 MiB', async (t) => {
  const half = Buffer.from('Grü\u00dfe').subarray(0, 3)
  async function* pieces(): AsyncGenerator<Uint8Array> {
    yield half
    yield Buffer.from('Grü\u00dfe').subarray(3)
  }
  assert.equal((await readDocument(pieces())).text, 'Grüße')
  const path = join(temporaryFolder(t), 'pipe')
  execFileSync('mkfifo', [path])
  const written = writeFile(path, 'through the pipe')
  assert.equal((await readDocument(path)).text, 'through the pipe')
  await written
  const piece = Buffer.alloc(2 ** 20, 'a')
  let sent = 0
  async function* endless(): AsyncGenerator<Uint8Array> {
    for (;;) {
      sent++
      yield piece
    }
  }
  await assert.rejects(readDocument(endless(), { name: 'standard input' }), {
    code: 'document-invalid',
    message: /^standard input has more than 268 MB/,
  })
  assert.equal(sent, 257)
})
