import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { Control } from './control.ts'
import { startSpareWorker, takeWorker } from './spare-worker.ts'

test('a worker started before it was asked for is given to the first of 2 engines only, and answers', async () => {
  startSpareWorker()
  startSpareWorker()
  const [first, second] = [takeWorker(), takeWorker()]
  try {
    assert.notEqual(first, second)
    for (const worker of [first, second]) {
      worker.ref()
      const request = { threads: 1, backend: 'reference' }
      worker.postMessage({ id: 7, kind: 'start', request, control: new Control().buffer })
      const [{ id, type }] = await once(worker, 'message')
      assert.deepEqual({ id, type }, { id: 7, type: 'done' })
    }
  } finally {
    await Promise.all([first.terminate(), second.terminate()])
  }
})
