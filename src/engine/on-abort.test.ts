import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { test } from 'node:test'
import { onAbort } from './on-abort.ts'

test('onAbort: 40 that wait for one signal are one listener; each is called once, those that left are not', () => {
  const controller = new AbortController()
  const calls: number[] = []
  const leave = Array.from({ length: 40 }, (_, i) => onAbort(controller.signal, () => calls.push(i)))
  assert.equal(getEventListeners(controller.signal, 'abort').length, 1)
  for (const i of [3, 39]) leave[i]?.()
  controller.abort()
  controller.abort()
  assert.deepEqual(
    calls,
    Array.from({ length: 40 }, (_, i) => i).filter((i) => i !== 3 && i !== 39),
  )
})

test('onAbort: a signal that has fired calls at once, none never calls', () => {
  let calls = 0
  const act = (): void => {
    calls++
  }
  onAbort(AbortSignal.abort(), act)()
  assert.equal(calls, 1)
  onAbort(undefined, act)()
  assert.equal(calls, 1)
})
