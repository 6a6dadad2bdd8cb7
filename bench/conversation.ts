/**
 * What a long conversation holds: bytes of the keys and values of questions and answers after each turn and at most, with pages
 * that no window sees given back and with all of them held, and whether the tokens said are the same. Both are decoded in turn.
 *
 *   npm run bench conversation -- [--model gemma3-270m] [--document 1000] [--question 150] [--answer 350] [--turns 6]
 */
import { parseArgs } from 'node:util'
import type { Sequence } from '../src/engine/sequence.ts'
import { machine, machineLine } from '../src/eval/machine.ts'
import { exampleText, modelFile } from './document.ts'
import { idsOf, openSubject, readDocument, sequenceOver, write } from './subject.ts'
import { table, writeResult } from './table.ts'

interface Talk {
  readonly sequence: Sequence
  readonly said: number[]
  readonly turns: { readonly tokens: number; readonly bytes: number; readonly mostBytes: number }[]
}

/** Bytes are looked at whenever there may be a page more. */
const watched = (sequence: Sequence): (() => number) => {
  let most = 0
  const reserve = sequence.reserve.bind(sequence)
  sequence.reserve = (count) => {
    reserve(count)
    most = Math.max(most, sequence.bytes)
  }
  return () => most
}

export const run = async (args: string[]): Promise<void> => {
  const { values } = parseArgs({
    args,
    options: {
      model: { type: 'string', default: 'gemma3-270m' },
      document: { type: 'string', default: '1000' },
      question: { type: 'string', default: '150' },
      answer: { type: 'string', default: '350' },
      turns: { type: 'string', default: '6' },
      threads: { type: 'string', default: '2' },
    },
  })
  const subject = openSubject(modelFile(values.model), { threads: Number(values.threads) })
  const [document, question, answer, turns] = [values.document, values.question, values.answer, values.turns].map(
    Number,
  ) as [number, number, number, number]
  const ids = idsOf(subject, exampleText(document + turns * question), document + turns * question)
  const { block } = await readDocument(subject, ids.subarray(0, document), { keep: 0.5 })
  const begin = (): Talk & { readonly most: () => number } => {
    const sequence = sequenceOver(subject, block)
    return { sequence, said: [], turns: [], most: watched(sequence) }
  }
  const [given, held] = [begin(), begin()]
  for (let length = 0; length < turns * (question + answer); length++) held.sequence.bookmark(length)
  for (let turn = 0; turn < turns; turn++) {
    const asked = ids.subarray(document + turn * question, document + (turn + 1) * question)
    for (const { sequence, said, turns, most } of [given, held]) {
      said.push(...(await write(sequence, asked, answer)).tokens)
      if (sequence === given.sequence) sequence.settle()
      turns.push({ tokens: sequence.length, bytes: sequence.bytes, mostBytes: most() })
    }
  }
  const isSame = given.said.every((token, i) => token === held.said[i])
  const megabytes = (bytes = 0): string => (bytes / 1e6).toFixed(1)
  process.stdout.write(`${values.model}, ${document} tokens of document; ${machineLine(machine())}\n`)
  const rows = given.turns.map(({ tokens, bytes, mostBytes }, turn) => [
    `${tokens}`,
    megabytes(held.turns[turn]?.bytes),
    megabytes(bytes),
    megabytes(mostBytes),
  ])
  process.stdout.write(
    `${table(['tokens behind the document', 'all pages, MB', 'given back, MB', 'most so far'], rows)}\n`,
  )
  process.stdout.write(`the ${given.said.length} tokens said are ${isSame ? 'the same' : 'not the same'}\n`)
  const result = { ...values, windowBytes: block.stats().windowBytes, isSame, given: given.turns, held: held.turns }
  process.stdout.write(`${writeResult('conversation', values.model, result)}\n`)
}
