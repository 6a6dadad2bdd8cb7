import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { Control } from './engine/control.ts'
import { startWorker, startWorkerAhead } from './start-worker.ts'

test('a worker started ahead is given to the first of 2 that ask for its module, and answers as the other does', async () => {
  startWorkerAhead(import.meta.url, 'engine/worker')
  const beside = new URL('./engine/engine.ts', import.meta.url).href
  const [first, second] = [startWorker(beside, 'worker'), startWorker(beside, 'worker')]
  try {
    assert.equal(second.threadId, first.threadId + 1)
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
