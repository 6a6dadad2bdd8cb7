import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { readdir, readFile, stat, symlink, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { temporaryFolder } from '../../test/fixtures/temporary-folder.ts'
import {
  blockContents,
  toyBlock,
  toyContents,
  toyOrigin,
  toyRandom,
  toyRequest,
  toyShape,
} from '../../test/fixtures/toy-context.ts'
import { createNativeOps, nativeAvailable } from '../backends/native.ts'
import type { Tensor } from '../backends/ops.ts'
import { createReferenceOps } from '../backends/reference.ts'
import type { CpuOps } from '../backends/tensor.ts'
import { CompactorError } from '../error.ts'
import type { BlockRequest } from './block-builder.ts'
import { layoutOf, pageBytes, type Section } from './cctx-layout.ts'
import { checkModel, isContextFile, openContext, readContextHeader } from './cctx-open.ts'
import { bodyStart, chunkBytes, decodePrologue, digestOf, encodeFront } from './cctx-prologue.ts'
import { writeContext } from './cctx-write.ts'
import { shrink } from './shrink.ts'

const ops = createReferenceOps()

/** A copy of the file at an address that is a multiple of 64, as a mapping would be. */
const map = (path: string): { bytes: Uint8Array; release(): void } => {
  const file = readFileSync(path)
  const bytes = new Uint8Array(file.length)
  bytes.set(file)
  return { bytes, release: () => undefined }
}

const written = async (t: TestContext, request: BlockRequest, options: { biased?: boolean } = {}): Promise<string> => {
  const path = join(temporaryFolder(t), 'toy.cctx')
  await writeContext(ops, path, toyContents(toyBlock(ops, request, options)))
  return path
}

const refusal = async (path: string, reader: CpuOps = ops): Promise<CompactorError> => {
  const error = await openContext(path, reader, map).then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  assert.ok(error instanceof CompactorError, `expected a refusal, got ${error}`)
  assert.ok(error.message.includes(path), error.message)
  return error
}

const requests: Record<string, BlockRequest> = {
  'f16, 3 tiers': toyRequest({ selection: { protectFirst: 1, protectLast: 1, heads: 'across' } }),
  'f32, 5 tiers': toyRequest({ pairs: 199, shape: { ...toyShape, precision: 'f32' } }),
  'position order': toyRequest({ pairs: 200 }),
  'not nested, heads apart': toyRequest({
    nested: false,
    selection: { protectFirst: 0, protectLast: 0, heads: 'apart' },
  }),
  'rows of 6 bytes': toyRequest({ shape: { ...toyShape, headDim: 3, kvHeadCount: 3 } }),
  'one token, no head part': toyRequest({ documentTokens: 1, headTokens: 0, pairs: 1 }),
}

for (const [name, request] of Object.entries(requests))
  test(`cctx: a file gives back what was written, bit for bit, and writes the same file again (${name})`, async (t) => {
    for (const biased of [false, true]) {
      const path = join(temporaryFolder(t), 'toy.cctx')
      const contents = toyContents(toyBlock(ops, request, { biased }))
      const { bytes } = await writeContext(ops, path, contents)
      const opened = await openContext(path, ops, map)
      const { block: header, ...origin } = opened.header
      assert.deepEqual(origin, toyOrigin)
      assert.equal(header.biased, biased)
      assert.deepEqual(opened.tokenIds, contents.tokenIds)
      assert.deepEqual(opened.sourceOffsets, contents.sourceOffsets)
      assert.deepEqual(await blockContents(ops, opened.block), await blockContents(ops, contents.block))
      assert.deepEqual(opened.block.stats(), contents.block.stats())
      assert.equal(opened.fileBytes, bytes)
      assert.equal((await stat(path)).size, bytes)
      const again = `${path}.again`
      await writeContext(ops, again, { ...contents, block: opened.block })
      assert.deepEqual(await readFile(again), await readFile(path))
    }
  })

test('cctx: attention over a block from a file equals attention over the block in memory, bit for bit', async (t) => {
  const request = toyRequest({ shape: { ...toyShape, headDim: 6 } })
  const { block } = await openContext(await written(t, request), ops, map)
  const q = ops.from(Float32Array.from({ length: 4 * 6 }, Math.sin), [1, 4, 6])
  const attend = (segments: Parameters<typeof ops.attend>[1]): Promise<Float32Array | Uint16Array> =>
    ops.read(ops.attend(q, segments, { scale: 0.4, firstIndex: 0 }))
  for (let layer = 0; layer < 3; layer++)
    assert.deepEqual(await attend(block.segments(layer)), await attend(toyBlock(ops, request).segments(layer)))
})

test('cctx: a shrunken block from a file equals the small block, entry for entry', async (t) => {
  const { block } = await openContext(await written(t, toyRequest()), ops, map)
  assert.deepEqual(
    await blockContents(ops, shrink(ops, block, 31)),
    await blockContents(ops, toyBlock(ops, toyRequest({ pairs: 31 }))),
  )
})

test('cctx: keys and values are the bytes of the mapping, every run at a multiple of 64 bytes, every tier on a page', async (t) => {
  for (const headDim of [3, 16, 80]) {
    const path = await written(t, toyRequest({ shape: { ...toyShape, headDim } }))
    const mapped = map(path)
    const { block, header } = await openContext(path, ops, () => mapped)
    for (const piece of [...block.headPart, ...block.tiers.flat()])
      for (const tensor of [piece.k, piece.v]) {
        const { data } = tensor as Tensor & { data: Uint16Array }
        assert.equal(data.buffer, mapped.bytes.buffer)
        for (const start of piece.starts) assert.equal((data.byteOffset + start * headDim * 2) % 64, 0)
      }
    for (const [tier, { offset }] of header.block.tiers.entries()) {
      const first = block.tiers[tier]?.[0]?.k as Tensor & { data: Uint16Array }
      assert.equal(offset % pageBytes, 0)
      assert.equal(first.data.byteOffset % pageBytes, 0)
    }
  }
})

/** Both take the checksums of a whole file, each in its own way. */
const backends: Record<string, () => CpuOps> = {
  reference: createReferenceOps,
  ...(nativeAvailable().available && { native: () => createNativeOps({ threads: 2 }) }),
}

for (const [backend, make] of Object.entries(backends))
  test(`cctx: 200 random flipped bytes are refused, each named, and the prologue, table and header byte by byte (${backend})`, async (t) => {
    const reader = make()
    t.after(() => reader.dispose())
    const path = await written(t, toyRequest({ documentTokens: 1500, pairs: 1600 }), { biased: true })
    const original = await readFile(path)
    assert.ok(original.length > 4 * chunkBytes)
    const random = toyRandom(7)
    const places = [
      ...Array.from({ length: 200 }, () => Math.floor(random() * original.length)),
      ...Array.from({ length: 128 }, (_, i) => i),
      ...Array.from({ length: 40 }, (_, i) => pageBytes + i * 7),
      original.length - 1,
    ]
    const codes = new Map<string, number>()
    for (const place of places) {
      const damaged = Uint8Array.from(original)
      damaged[place] = (damaged[place] as number) ^ (1 << Math.floor(random() * 8))
      writeFileSync(path, damaged)
      const { code, message } = await refusal(path, reader)
      const [, from, to] = /checksum over bytes (\d+) to (\d+)/.exec(message) ?? [0, 0, place + 1]
      assert.ok(Number(from) <= place && place < Number(to), `byte ${place}: ${message}`)
      codes.set(code, (codes.get(code) ?? 0) + 1)
      if (place < pageBytes + chunkBytes) await assert.rejects(readContextHeader(path), CompactorError)
    }
    assert.deepEqual([...codes.keys()].sort(), ['context-corrupt', 'context-unsupported'])
    assert.equal(codes.get('context-unsupported'), [...places].filter((place) => place >= 8 && place < 12).length)
  })

test('cctx: cut short anywhere it is refused with both sizes, and so is one byte too many', async (t) => {
  const path = await written(t, toyRequest())
  const original = await readFile(path)
  const { length } = original
  for (const size of [length - 1, length - 4096, 8192, 4096 + 100, 4096, 100, 64]) {
    await truncate(path, size)
    const { code, message } = await refusal(path)
    assert.equal(code, 'context-corrupt')
    assert.ok(message.includes(`cut short: ${size} of ${length} bytes`), message)
  }
  for (const size of [63, 8]) {
    await truncate(path, size)
    assert.match((await refusal(path)).message, /cut short: (63|8) of at least 64 bytes/)
  }
  for (const size of [7, 0]) {
    await truncate(path, size)
    assert.match((await refusal(path)).message, /is not a \.cctx context/)
  }
  await writeFile(path, Buffer.concat([original, Buffer.of(0)]))
  assert.match((await refusal(path)).message, new RegExp(`has ${length + 1} bytes and promises ${length}`))
})

test('cctx: a file that shrinks while it is read is refused', async (t) => {
  const path = await written(t, toyRequest())
  await assert.rejects(
    openContext(path, ops, (name) => {
      const mapped = map(name)
      writeFileSync(name, mapped.bytes.subarray(0, 5000))
      return mapped
    }),
    { code: 'context-corrupt' },
  )
})

test('cctx: absurd sizes in a prologue with a valid checksum are refused before anything of that size is read', async (t) => {
  const path = await written(t, toyRequest())
  const original = await readFile(path)
  const fileBytes = original.length
  const sizes = { headerBytes: 500, fileBytes, chunkCount: 1 }
  const absurd: [RegExp, typeof sizes][] = [
    [/promises a header of 4294967295 bytes, at most/, { ...sizes, headerBytes: 2 ** 32 - 1 }],
    [/header of 15728640 bytes does not fit/, { ...sizes, headerBytes: 15 * 2 ** 20 }],
    [/header of \d+ bytes does not fit/, { ...sizes, headerBytes: fileBytes }],
    [/cut short: \d+ of 9007199254740992 bytes/, { ...sizes, fileBytes: 2 ** 53 }],
    [/has \d+ bytes and promises 100/, { ...sizes, fileBytes: 100 }],
    [/0 checksums do not fit/, { ...sizes, chunkCount: 0 }],
    [/2 checksums do not fit/, { ...sizes, chunkCount: 2 }],
    [/65536 checksums do not fit/, { ...sizes, chunkCount: 2 ** 16 }],
  ]
  for (const [reason, prologue] of absurd) {
    const front = encodeFront({ ...prologue, chunkCount: 1 }, new Uint8Array(16))
    new DataView(front.buffer).setUint32(24, prologue.chunkCount, true)
    const forged = Uint8Array.from(original)
    forged.set(front)
    writeFileSync(path, forged)
    const refused = { code: 'context-corrupt', message: reason }
    await assert.rejects(openContext(path, ops, map), refused)
    await assert.rejects(readContextHeader(path), refused)
  }
})

/** The file with another header (of the same length class), all checksums renewed: what a malicious writer could make. */
const forge = (
  original: Uint8Array,
  change: (json: string) => string,
  damage?: (arrays: Uint8Array) => void,
): Uint8Array => {
  const prologue = decodePrologue(original, { name: 'forged', fileBytes: original.length })
  const forged = Uint8Array.from(original)
  const body = forged.subarray(bodyStart(prologue.chunkCount))
  const json = change(new TextDecoder().decode(body.subarray(0, prologue.headerBytes)))
  const encoded = new TextEncoder().encode(json)
  body.fill(0, 0, prologue.headerBytes)
  body.set(encoded)
  damage?.(body.subarray(pageBytes))
  const table = new Uint8Array(prologue.chunkCount * 16)
  for (let i = 0; i < prologue.chunkCount; i++)
    table.set(digestOf(body.subarray(i * chunkBytes, (i + 1) * chunkBytes)), i * 16)
  forged.set(encodeFront({ ...prologue, headerBytes: encoded.length }, table))
  return forged
}

test('cctx: 17 headers with valid checksums that lie are refused, and say where', async (t) => {
  const path = await written(t, toyRequest())
  const original = await readFile(path)
  const edits: [RegExp, (json: string) => string][] = [
    [/layerCount: expected a whole number/, (json) => json.replace('"layerCount":3', '"layerCount":1e9')],
    [/describes .* bytes, the file has/, (json) => json.replace('"headDim":16', '"headDim":9999')],
    [/describes .* bytes, the file has/, (json) => json.replace('"originalTokens":100', '"originalTokens":2147483648')],
    [/keeps .* of 10 tokens/, (json) => json.replace('"originalTokens":100', '"originalTokens":10')],
    [/counts of 4 layers/, (json) => json.replace('"layerCount":3', '"layerCount":4')],
    [/counts of 3 KV heads/, (json) => json.replace('"kvHeadCount":2', '"kvHeadCount":3')],
    [/precision: expected f16 or f32, got "f64"/, (json) => json.replace('"f16"', '"f64"')],
    [/nested: expected true or false, got 1/, (json) => json.replace('"nested":true', '"nested":1')],
    [/unknown field "fidelitz"/, (json) => json.replace('"fidelity":null', '"fidelity":null,"fidelitz":1')],
    [/no field "keep"/, (json) => json.replace(/"keep":\{[^}]*\},/, '')],
    [/fingerprint: expected a sha256/, (json) => json.replace('"aaaa', '"AAAA')],
    [/puts tier 1 elsewhere/, (json) => json.replace(/"offset":(?!0)\d+/, '"offset":64')],
    [/header cannot be read \(it is not JSON\)/, (json) => json.slice(0, -1)],
    [/header cannot be read \(header: expected an object, got a list of 0\)/, () => '[]'],
    [
      /at most 65536 KV heads, got 4096 × 4096/,
      (json) =>
        json
          .replace('"layerCount":3,"kvHeadCount":2', '"layerCount":4096,"kvHeadCount":4096')
          .replace(/"tiers":\[.*\]/, '"tiers":[]'),
    ],
    [/unknown field "\\u001b\[2J\\u0007"/, (json) => json.replace('"nested"', '"\\u001b[2J\\u0007":1,"nested"')],
    [/unknown field "x{60}…"/, (json) => json.replace('"nested"', `"${'x'.repeat(2000)}":1,"nested"`)],
  ]
  for (const [reason, edit] of edits) {
    const forged = forge(original, (json) => {
      const edited = edit(json)
      assert.notEqual(edited, json)
      return edited
    })
    writeFileSync(path, forged)
    const { code, message } = await refusal(path)
    assert.equal(code, 'context-corrupt')
    assert.match(message, reason)
    await assert.rejects(readContextHeader(path), { code: 'context-corrupt' })
  }
})

test('cctx: padding that is not zero, positions beyond the document and one kept twice are refused though checksums hold', async (t) => {
  const path = await written(t, toyRequest())
  const original = await readFile(path)
  const { header } = await readContextHeader(path)
  const layout = layoutOf(header.block)
  const same = (json: string): string => json
  const padding = layout.tiersAt - 1
  writeFileSync(
    path,
    forge(original, same, (arrays) => arrays.fill(1, padding, padding + 1)),
  )
  assert.match((await refusal(path)).message, /byte \d+ is 1 where only zeros belong/)
  const positions = layout.tiers[0]?.layers[2]?.positions as Section
  writeFileSync(
    path,
    forge(original, same, (arrays) => arrays.fill(255, positions.at, positions.at + 2)),
  )
  assert.match((await refusal(path)).message, /keeps token 65535 of a document of 100/)
  writeFileSync(
    path,
    forge(original, same, (arrays) => arrays.copyWithin(positions.at + 2, positions.at, positions.at + 2)),
  )
  assert.match((await refusal(path)).message, /layer 2, head 0 keeps token \d+ twice/)
  writeFileSync(path, forge(original, same))
  await openContext(path, ops, map)
})

test('cctx: positions take 2 bytes up to 65,535 tokens and 4 above', async (t) => {
  for (const [documentTokens, bytes] of [
    [65535, 2],
    [65536, 4],
  ] as const) {
    const shape = { layerCount: 1, kvHeadCount: 1, headDim: 2, precision: 'f16' as const }
    const request = toyRequest({ documentTokens, shape, pairs: 700, headTokens: 1 })
    const path = await written(t, request)
    const { block } = await openContext(path, ops, map)
    for (const tier of block.tiers) for (const piece of tier) assert.equal(piece.positions.BYTES_PER_ELEMENT, bytes)
    const last = documentTokens - 1
    assert.ok([...block.ranking(0).positions].includes(last))
    assert.deepEqual(await blockContents(ops, block), await blockContents(ops, toyBlock(ops, request)))
  }
})

test('cctx: size ≤ 1.02 × kept f16 bytes + 64 kB + 12 bytes per document token, 2 shapes × 5 budgets', async (t) => {
  const shapes = [
    { layerCount: 30, kvHeadCount: 3, headDim: 64 },
    { layerCount: 24, kvHeadCount: 1, headDim: 256 },
  ]
  for (const sizes of shapes)
    for (const keep of [0.01, 0.0625, 0.25, 0.6, 1]) {
      const documentTokens = 40
      const pairs = Math.max(1, Math.round(keep * documentTokens * sizes.kvHeadCount))
      const shape = { ...sizes, precision: 'f16' as const }
      const block = toyBlock(ops, toyRequest({ shape, documentTokens, pairs, order: 'importance', headTokens: 5 }))
      const path = join(temporaryFolder(t), 'toy.cctx')
      const { bytes } = await writeContext(ops, path, toyContents(block))
      const { pairBytes, headPartBytes } = block.stats()
      const bound = 1.02 * (pairBytes + headPartBytes) + 65536 + 12 * documentTokens
      assert.ok(bytes <= bound, `${JSON.stringify(sizes)} keep ${keep}: ${bytes} of ${bound}`)
    }
})

test('cctx layout: the size bound holds for 5,000 to 65,535 tokens of real shapes, counts spread over heads', () => {
  for (const [layerCount, kvHeadCount, headDim] of [
    [30, 3, 64],
    [24, 2, 64],
    [28, 2, 128],
    [32, 8, 128],
    [80, 8, 128],
  ] as const)
    for (const originalTokens of [5000, 8000, 30000, 65535])
      for (const keep of [0.25, 1]) {
        const shares = [1 / 16, 1 / 8, 1 / 4, 1 / 2, 1].filter((share) => share <= keep)
        const tiers = shares.map((share, tier) => {
          const tokens = Math.round(originalTokens * (share - (shares[tier - 1] ?? 0)))
          const counts = Array.from({ length: layerCount }, (_, layer) =>
            Array.from({ length: kvHeadCount }, (_, head) => tokens + (head % 2 ? 1 : -1) * ((layer * 37) % 11)),
          )
          return { counts }
        })
        const block = { layerCount, kvHeadCount, headDim, originalTokens, headTokens: 25, tiers }
        const layout = layoutOf({ ...block, precision: 'f16', order: 'importance', biased: false })
        const rows =
          tiers.flatMap(({ counts }) => counts.flat()).reduce((a, b) => a + b, 0) + 25 * layerCount * kvHeadCount
        const kept = rows * headDim * 4
        const header = JSON.stringify(tiers).length + 60 * layerCount + 2000
        const chunks = Math.ceil((layout.bytes + header) / chunkBytes)
        const bytes = bodyStart(chunks) + header + pageBytes + layout.bytes
        assert.ok(
          bytes <= 1.02 * kept + 65536 + 12 * originalTokens,
          `${JSON.stringify(block).slice(0, 80)}: ${bytes} for ${kept}`,
        )
      }
})

test('cctx: a header is read without the tiers, also where the header is larger than a chunk', async (t) => {
  const path = join(temporaryFolder(t), 'toy.cctx')
  const shape = { ...toyShape, layerCount: 1, headDim: 2 }
  const contents = toyContents(toyBlock(ops, toyRequest({ shape, documentTokens: 9000 })))
  const pieces = { head: Array.from({ length: 30000 }, (_, i) => 100000 + i) }
  const origin = { ...toyOrigin, template: { hash: 'x', pieces } }
  await writeContext(ops, path, { ...contents, origin })
  const { header, fileBytes } = await readContextHeader(path)
  assert.deepEqual(header.template.pieces, pieces)
  assert.equal(fileBytes, (await stat(path)).size)
  const damaged = await readFile(path)
  damaged[damaged.length - 1] = (damaged[damaged.length - 1] as number) ^ 1
  await writeFile(path, damaged)
  assert.deepEqual((await readContextHeader(path)).header, header)
  damaged[70000] = (damaged[70000] as number) ^ 1
  await writeFile(path, damaged)
  await assert.rejects(readContextHeader(path), { code: 'context-corrupt' })
})

test('cctx: places come back as they were written; a file of version 1, which has none, still opens', async (t) => {
  const path = join(temporaryFolder(t), 'toy.cctx')
  const contents = toyContents(toyBlock(ops, toyRequest()))
  const places = {
    marks: [
      { offset: 0, kind: 'page', label: '1' },
      { offset: 9, kind: 'heading', label: 'Terms', level: 2 },
    ] as const,
    lineLengths: [0, 4, 5],
    lineStep: 2,
  }
  const origin = { ...contents.origin, document: { ...contents.origin.document, places } }
  await writeContext(ops, path, { ...contents, origin })
  assert.deepEqual((await openContext(path, ops, map)).header.document.places, places)
  const older = await written(t, toyRequest())
  const bytes = Buffer.from(await readFile(older))
  bytes[8] = 1
  const { chunkCount } = decodePrologue(bytes, { name: older, fileBytes: bytes.length })
  const root = createHash('sha256')
    .update(bytes.subarray(0, 32))
    .update(bytes.subarray(64, bodyStart(chunkCount)))
  bytes.set(root.digest(), 32)
  writeFileSync(older, bytes)
  assert.deepEqual((await openContext(older, ops, map)).header.document, toyOrigin.document)
})

test('cctx: another version, another kind of file, a folder and a missing file are refused by name', async (t) => {
  const path = await written(t, toyRequest())
  assert.equal(await isContextFile(path), true)
  const newer = Uint8Array.from(await readFile(path))
  newer[8] = 3
  writeFileSync(path, newer)
  assert.match((await refusal(path)).message, /format version 3, .* reads versions 1 to 2: update/)
  const folder = temporaryFolder(t)
  const text = join(folder, 'report.txt')
  await writeFile(
    text,
    'Once upon a time there was a report that was longer than any prologue could ever be, and more.',
  )
  assert.equal(await isContextFile(text), false)
  assert.match((await refusal(text)).message, /is not a \.cctx context/)
  assert.equal((await refusal(folder)).code, 'file-unreadable')
  assert.equal((await refusal(join(folder, 'none.cctx'))).code, 'file-unreadable')
  await symlink(path, join(folder, 'loop'))
  assert.equal((await refusal(join(folder, 'loop'))).code, 'context-unsupported')
})

test('cctx: a context of another model is refused, naming both', async (t) => {
  const { header } = await readContextHeader(await written(t, toyRequest()))
  checkModel(header, { name: 'renamed', fingerprint: 'a'.repeat(64) })
  assert.throws(() => checkModel(header, { name: 'smollm2-135m', fingerprint: 'd'.repeat(64) }), {
    code: 'context-mismatch',
    message: /toy \(sha256 aaaaaaaaaaaa…\).*smollm2-135m \(sha256 dddddddddddd…\)/,
  })
})

test('cctx: contents that do not fit together are refused before a file is made', async (t) => {
  const folder = temporaryFolder(t)
  const contents = toyContents(toyBlock(ops, toyRequest()))
  const path = join(folder, 'toy.cctx')
  const short = { ...contents, tokenIds: new Uint32Array(99) }
  await assert.rejects(writeContext(ops, path, short), /expected 100 tokenIds, got 99/)
  const nameless = { ...contents, origin: { ...toyOrigin, nextPosition: -1 } }
  await assert.rejects(writeContext(ops, path, nameless), /nextPosition: expected a whole number/)
  assert.deepEqual(await readdir(folder), [])
})
