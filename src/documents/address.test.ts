import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { nameOfAddress, readDocument } from './read-document.ts'

const pdf = readFileSync(new URL('../../test/fixtures/documents/lighthouse.pdf', import.meta.url))

type Answer = (response: ServerResponse, request: IncomingMessage) => void

/** The address of a server on this machine that gives these answers. */
const serve = async (t: TestContext, answers: Readonly<Record<string, Answer>>): Promise<string> => {
  const server = createServer((request, response) => {
    const answer = answers[(request.url ?? '').replace(/\?.*/, '')]
    if (answer) answer(response, request)
    else response.writeHead(404).end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const give =
  (type: string, content: string | Buffer): Answer =>
  (response) =>
    response.writeHead(200, { 'content-type': type }).end(content)
const lead =
  (to: string): Answer =>
  (response) =>
    response.writeHead(302, { location: to }).end()

test('address: pages, PDF and text of another charset are read, through up to 5 redirects, and named without the query', async (t) => {
  const site = await serve(t, {
    '/page': give('text/html; charset=windows-1252', Buffer.from('<p>Gr\xfc\xdfe', 'latin1')),
    '/file': give('application/octet-stream', pdf),
    '/notes': give('text/plain; charset="iso-8859-1"', Buffer.from('Gr\xfc\xdfe', 'latin1')),
    '/markdown': give('text/markdown', '# Head\n\ntext'),
    '/1': lead('/2?a=b'),
    '/2': lead('3'),
    '/3': lead('4'),
    '/4': lead('5'),
    '/5': lead('/page'),
    '/packed': (response) =>
      response.writeHead(200, { 'content-type': 'text/plain', 'content-encoding': 'gzip' }).end(gzipSync('unpacked')),
  })
  const page = await readDocument(`${site}/page?token=secret#part`)
  assert.deepEqual([page.text, page.format, page.name, page.notes], ['Grüße', 'html', `${site}/page`, []])
  assert.equal((await readDocument(new URL('/file', site))).format, 'pdf')
  assert.equal((await readDocument(`${site}/notes`)).text, 'Grüße')
  assert.equal((await readDocument(`${site}/markdown`)).format, 'markdown')
  assert.equal((await readDocument(`${site}/1`)).text, 'Grüße')
  assert.equal((await readDocument(`${site}/packed`)).text, 'unpacked')
})

test('address: 10 failures are refused in a sentence that never shows the query', async (t) => {
  const site = await serve(t, {
    '/image': give('image/png', 'x'),
    '/large': (response) => response.writeHead(200, { 'content-length': '60000000' }).write('x'),
    '/bomb': (response) =>
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(Buffer.alloc(51_000_000))),
    '/circle': lead('/circle'),
    '/local': lead('file:///etc/passwd'),
    '/broken': (response) => void response.destroy(),
    '/script': give('text/html', '<div id=app></div><script>draw()</script>'),
    '/empty': give('text/plain', ''),
    '/private': (response) => response.writeHead(403).end(),
  })
  const refused = async (path: string, code: string, message: RegExp): Promise<void> => {
    await assert.rejects(readDocument(`${site}${path}?token=secret`), (error: { code: string; message: string }) => {
      assert.deepEqual([path, error.code], [path, code], error.message)
      assert.match(error.message, message)
      assert.doesNotMatch(error.message, /secret/)
      return true
    })
  }
  await refused(
    '/none',
    'download-failed',
    /could not be fetched: the server answered 404 Not Found; check the address$/,
  )
  await refused('/private', 'download-failed', /answered 403 Forbidden; download it with a browser and give the file$/)
  await refused('/image', 'document-invalid', /is image\/png; expected text/)
  await refused('/large', 'document-invalid', /larger than the 50 MB/)
  await refused('/bomb', 'document-invalid', /larger than the 50 MB/)
  await refused('/circle', 'download-failed', /leads on more than 5 times/)
  await refused('/local', 'usage', /file:\/\/ addresses are not read/)
  await refused(
    '/broken',
    'download-failed',
    /could not be fetched: .+; try again, or download it first and give the file$/,
  )
  await refused('/script', 'document-invalid', /holds no text: a page that its scripts make up/)
  await refused('/empty', 'document-invalid', /is empty/)
})

test('address: user and password are refused and never shown; an abort stops the transfer', async (t) => {
  const site = await serve(t, { '/slow': (response) => response.writeHead(200).write('beginning') })
  await assert.rejects(readDocument(site.replace('//', '//user:word@')), (error: { message: string }) => {
    assert.match(error.message, /holds a user name or password/)
    assert.doesNotMatch(error.message, /word@/)
    return true
  })
  assert.equal(nameOfAddress('https://user:word@example.org/a/b?c=d#e'), 'https://example.org/a/b')
  const controller = new AbortController()
  const reading = readDocument(`${site}/slow`, { signal: controller.signal })
  setTimeout(() => controller.abort(), 50)
  await assert.rejects(reading, { code: 'aborted' })
})
