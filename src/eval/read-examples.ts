/**
 * JSONL files to contexts with questions. The format is told from the keys of each line: ours (question-lists.ts) or
 * LongBench's (longbench.ts). Every complaint names the file and the line.
 */
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { basename, extname } from 'node:path'
import { CompactorError } from '../error.ts'
import { fileReason } from '../file-reason.ts'
import type { Example } from './example.ts'
import { type Fields, isFields } from './json-fields.ts'
import { isLongBench, readLongBench } from './longbench.ts'
import { metricOf } from './metrics/index.ts'
import { isQuestionList, readQuestionList } from './question-lists.ts'

export interface ExampleFile {
  readonly name: string // of the file, without folder and extension: "squad_multi"
  readonly sha256: string // of its bytes
  readonly examples: readonly Example[] // in the file's order, at least one; no id occurs twice
}

/** Throws CompactorError: 'file-unreadable', or 'usage' for what stands in the file. */
export const readExamples = async (path: string): Promise<ExampleFile> => {
  let bytes: Buffer
  try {
    bytes = await readFile(path)
  } catch (cause) {
    throw new CompactorError('file-unreadable', `cannot read ${path}: ${fileReason(cause)}`, { cause })
  }
  return parseExamples(bytes, basename(path))
}

/** The same of bytes in memory; `fileName` is for messages. */
export const parseExamples = (bytes: Uint8Array, fileName: string): ExampleFile => {
  const name = basename(fileName, extname(fileName))
  const lineOf = new Map<string, number>() // by id
  const examples: Example[] = []
  for (const { number, line } of linesOf(bytes, fileName)) {
    try {
      const example = readLine(line, { fileName: name, line: number })
      const earlier = lineOf.get(example.id)
      if (earlier !== undefined) throw new RangeError(`id "${example.id}" is also that of line ${earlier}`)
      lineOf.set(example.id, number)
      examples.push(example)
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause)
      throw new CompactorError('usage', `${fileName}, line ${number}: ${reason}`, { cause })
    }
  }
  if (examples.length === 0)
    throw new CompactorError('usage', `${fileName} has no line with a context; give a JSONL file with one on each line`)
  return { name, sha256: createHash('sha256').update(bytes).digest('hex'), examples }
}

/** Lines that are not blank, one at a time: a large file is never held as one string. */
function* linesOf(bytes: Uint8Array, fileName: string): Generator<{ readonly number: number; readonly line: string }> {
  const utf8 = new TextDecoder('utf-8', { fatal: true })
  let number = 0
  for (let start = 0; start < bytes.length; ) {
    const found = bytes.indexOf(0x0a, start)
    const end = found < 0 ? bytes.length : found
    number++
    let line: string
    try {
      line = utf8.decode(bytes.subarray(start, end))
    } catch (cause) {
      throw new CompactorError('usage', `${fileName}, line ${number}: expected UTF-8 text, got other bytes`, { cause })
    }
    if (line.trim() !== '') yield { number, line }
    start = end + 1
  }
}

const readLine = (text: string, place: { readonly fileName: string; readonly line: number }): Example => {
  const fields = objectOf(text)
  if (isQuestionList(fields)) return checked(readQuestionList(fields, place))
  if (isLongBench(fields)) return checked(readLongBench(fields))
  throw new RangeError(
    'expected a context with "questions", or LongBench\'s "input", "context", "answers" and "dataset"; ' +
      `got ${
        Object.keys(fields)
          .slice(0, 8)
          .map((key) => `"${key}"`)
          .join(', ') || 'no field'
      }`,
  )
}

const objectOf = (line: string): Fields => {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch (cause) {
    throw new RangeError(`not JSON: ${(cause as SyntaxError).message}`, { cause })
  }
  if (!isFields(value)) throw new RangeError('expected a JSON object')
  return value
}

/** Question ids are unique, and the metric can judge every question. */
const checked = (example: Example): Example => {
  const metric = metricOf(example.metric)
  const known = new Set<string>()
  for (const question of example.questions) {
    if (known.has(question.qid)) throw new RangeError(`qid "${question.qid}" occurs twice`)
    known.add(question.qid)
    const reason = metric.refusal?.(question, example)
    if (reason !== undefined) throw new RangeError(`question "${question.qid}": ${reason}`)
  }
  return example
}
