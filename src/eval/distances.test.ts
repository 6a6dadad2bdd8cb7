/** Distances from logits of one token at a time, by the formulas spelled out, on a tiny model of random weights. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { createReferenceOps } from '../backends/reference.ts'
import { Control } from '../engine/control.ts'
import { openModelFile } from '../engine/model-file.ts'
import type { Sequence } from '../engine/sequence.ts'
import { answerTogether } from './answers.ts'
import { readContext } from './context-reading.ts'
import { afterFirst, distancesTo, expect, forcedOf } from './distances.ts'
import type { Example, Question } from './example.ts'
import type { Distance } from './result.ts'
import { questionIds, type Subject, sequenceOn } from './subject.ts'
import { readVariant } from './variant.ts'

const passage = readFileSync(new URL('../../test/fixtures/passage.txt', import.meta.url), 'utf8')
const question: Question = { qid: 'q', question: 'Who says so?', answers: ['the president'] }
const example: Example = {
  id: 'c',
  dataset: 'd',
  instruction: '',
  context: passage.slice(0, 150),
  questions: [question],
  metric: 'word-f1',
  maxNewTokens: 9,
}

const openSubject = async (): Promise<Subject> => {
  const ops = createReferenceOps()
  const path = fileURLToPath(new URL('../../test/fixtures/toy-llama.gguf', import.meta.url))
  const file = openModelFile(ops, { path, name: 'toy', fingerprint: '' })
  return { ops, file, template: await file.template(), precision: 'f32', control: new Control() }
}

/** Log-probabilities before each of `tokens`, with `ids` and those before given. */
const logProbabilities = async (
  sequence: Sequence,
  ids: Uint32Array,
  tokens: readonly number[],
): Promise<Float64Array[]> => {
  const found: Float64Array[] = []
  for (const [i] of tokens.entries()) {
    const before = i === 0 ? ids : Uint32Array.of(tokens[i - 1] ?? 0)
    const logits = Float64Array.from(await sequence.next(before, new Control()))
    const largest = Math.max(...logits)
    const shift = largest + Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit - largest), 0))
    found.push(logits.map((logit) => logit - shift))
  }
  return found
}

const distanceBetween = (
  whole: readonly Float64Array[],
  part: readonly Float64Array[],
  tokens: readonly number[],
): Distance => {
  const best = (row: Float64Array): number => row.indexOf(Math.max(...row))
  const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0)
  const rows = whole.map((p, i) => ({ p, q: part[i] ?? p, token: tokens[i] ?? 0 }))
  return {
    tokens: tokens.length,
    kl: sum(rows.map(({ p, q }) => p.reduce((total, logP, v) => total + Math.exp(logP) * (logP - (q[v] ?? 0)), 0))),
    flips: rows.filter(({ p, q }) => best(p) !== best(q)).length,
    nll: -sum(rows.map(({ q, token }) => q[token] ?? 0)),
  }
}

const closeTo = (actual: Distance | undefined, expected: Distance): void => {
  assert.deepEqual([actual?.tokens, actual?.flips], [expected.tokens, expected.flips])
  for (const key of ['kl', 'nll'] as const)
    assert.ok(
      Math.abs((actual?.[key] ?? Number.NaN) - expected[key]) < 1e-4,
      `${key} ${actual?.[key]}, ${expected[key]}`,
    )
}

test('KL, flips and NLL of 9 tokens agree within 1e-4 with the formulas, for the whole cache and 2 memories together', async () => {
  const subject = await openSubject()
  const variants = ['random@0.3', 'streaming?protectFirst=2&protectLast=2@0.2'].map(readVariant)
  const reading = await readContext(subject, example, { variants, seed: 1 })
  const blocks = [reading.whole, ...variants.map((variant) => reading.memory(variant, question))]
  const begin = (): Sequence[] => blocks.map((block) => sequenceOn(subject, block))
  const ids = questionIds(subject, example, question)
  const [whole] = blocks
  assert.ok(whole)
  const [answer] = await answerTogether(subject, [{ sequence: sequenceOn(subject, whole), ids, maxTokens: 9 }])
  assert.ok(answer && answer.tokens.length > 1)
  const { tokens } = answer
  const expected = await expect(subject, sequenceOn(subject, whole), forcedOf(ids, answer))
  const found = await distancesTo(subject, expected, begin())
  const rows = await Promise.all(begin().map((sequence) => logProbabilities(sequence, ids, tokens)))
  for (const [i, row] of rows.entries()) closeTo(found[i], distanceBetween(rows[0] ?? [], row, tokens))
  assert.ok((found[0]?.kl ?? 1) < 1e-6 && (found[1]?.kl ?? 0) > 1e-3)

  // Read jointly: the question is behind the whole cache, its tail moves onto the memory, the first token is given.
  const joint = sequenceOn(subject, whole)
  await joint.next(ids, subject.control)
  const rest = afterFirst(subject.ops, expected, answer)
  const memory = blocks[1]
  assert.ok(rest && memory)
  const [moved] = await distancesTo(subject, rest, [joint.onto(memory)])
  const jointRows = await logProbabilities(joint.onto(memory), Uint32Array.of(tokens[0] ?? 0), tokens.slice(1))
  closeTo(moved, distanceBetween(rows[0]?.slice(1) ?? [], jointRows, tokens.slice(1)))
})
