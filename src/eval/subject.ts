/** The model under evaluation and how prompts are built for it. Not here: what is compressed, what is measured. */
import type { Ops, Precision } from '../backends/ops.ts'
import type { Block } from '../cache/block.ts'
import type { Control } from '../engine/control.ts'
import type { ModelFile } from '../engine/model-file.ts'
import { Sequence } from '../engine/sequence.ts'
import type { Template } from '../tokenizer/template.ts'
import { documentOf, type Example, type Question } from './example.ts'

export interface Subject {
  readonly ops: Ops
  readonly file: ModelFile
  readonly template: Template
  readonly precision: Precision
  readonly control: Control
}

/** Answers are short and many sequences live at once. */
const pageTokens = 64

/** ids of what is compressed */
export const documentIds = ({ file, template }: Subject, example: Example): Uint32Array =>
  file.tokenizer.encode(documentOf(example), { after: template.head })

/** ids between document and answer: separator, question, end of the turn, answer prefix */
export const questionIds = (subject: Subject, example: Example, question: Question): Uint32Array => {
  const { file, template } = subject
  const { promptIsRaw } = example
  return Uint32Array.of(
    ...(promptIsRaw ? [] : template.between),
    ...file.tokenizer.encode(question.question),
    ...template.end,
    ...file.tokenizer.encode(question.answerPrefix ?? ''),
  )
}

/** The same question with the instruction and without the context. */
export const closedBookIds = (subject: Subject, example: Example, question: Question): Uint32Array => {
  const { file, template } = subject
  const question_ = questionIds(subject, example, question)
  return Uint32Array.of(...template.head, ...file.tokenizer.encode(example.instruction), ...question_)
}

export const sequenceOn = ({ ops, file, template, precision }: Subject, block: Block): Sequence => {
  const nextPosition = template.head.length + block.documentTokens
  return new Sequence(ops, file.model, { block, nextPosition, precision, pageTokens })
}

export const emptySequence = ({ ops, file, precision }: Subject): Sequence =>
  new Sequence(ops, file.model, { nextPosition: 0, precision, pageTokens })
