import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { temporaryFolder } from '../../test/fixtures/temporary-folder.ts'
import { putTogether, takeApart } from '../../test/fuzz/gguf-parts.ts'
import { createReferenceOps } from '../backends/reference.ts'
import { openModelFile } from './model-file.ts'

const toy = fileURLToPath(new URL('../../test/fixtures/toy-llama.gguf', import.meta.url))
const source = (path: string) => ({ path, name: 'toy', fingerprint: 'f'.repeat(64) })

test('a model whose tokenizer has 268 tokens for 269 rows of its embedding is refused when it is opened', (t) => {
  const ops = createReferenceOps()
  const whole = openModelFile(ops, source(toy))
  assert.equal(whole.tokenizer.vocabularySize, 269)
  whole.owners.release()

  const parts = takeApart(readFileSync(toy))
  for (const { key, value } of parts.pairs) {
    if (key.bytes.toString() === 'tokenizer.ggml.tokens') value.texts?.pop()
    if (key.bytes.toString() === 'tokenizer.ggml.token_type')
      value.fixed = Buffer.from(value.fixed?.subarray(0, -4) ?? [])
    if (/ggml\.[be]os_token_id$/.test(key.bytes.toString())) value.fixed = Buffer.from([1, 0, 0, 0])
  }
  const path = join(temporaryFolder(t), 'cut.gguf')
  writeFileSync(path, putTogether(parts).bytes)
  assert.throws(() => openModelFile(ops, source(path)), {
    code: 'model-corrupt',
    message:
      'the tokenizer of toy has 268 tokens and its embedding 269 rows, expected one for each; get the file again',
  })
})
