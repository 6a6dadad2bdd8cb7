/** What must fit into the trained context: template head + document + question + answer. */
import { CompactorError } from '../error.ts'

export interface DocumentFit {
  readonly model: string
  readonly contextLength: number
  readonly headTokens: number
  readonly documentTokens: number
  readonly reserve: number
}

/** Throws CompactorError('document-too-long') with the numbers and what to do. */
export const checkDocumentFit = (fit: DocumentFit): void => {
  const { model, contextLength, headTokens, documentTokens, reserve } = fit
  const excess = headTokens + documentTokens + reserve - contextLength
  if (excess <= 0) return
  throw new CompactorError(
    'document-too-long',
    `the document has ${documentTokens} tokens; with ${headTokens} of the template before it and ${reserve} reserved for question and answer that is ${excess} more than the ${contextLength} that ${model} was trained on; shorten or split the document, lower \`reserve\`, or take a model with a longer context`,
  )
}

export interface QuestionFit {
  readonly contextLength: number
  readonly before: number // tokens of head and document
  readonly question: number // tokens of the question with the template around it
  readonly maxTokens: number | undefined // of the answer, as asked
}

const defaultMaxTokens = 512

/** Throws RangeError. */
export const checkMaxTokens = (maxTokens: number | undefined): void => {
  if (maxTokens !== undefined && (!Number.isInteger(maxTokens) || maxTokens < 1))
    throw new RangeError(`maxTokens must be a whole number of at least 1, got ${maxTokens}`)
}

/** Tokens that the answer may have. Throws CompactorError('question-invalid'), RangeError for a maxTokens that is none. */
export const answerRoom = ({ contextLength, before, question, maxTokens }: QuestionFit): number => {
  checkMaxTokens(maxTokens)
  const room = contextLength - before - question
  if (room < (maxTokens ?? 1))
    throw new CompactorError(
      'question-invalid',
      `the question has ${question} tokens with its template and the answer may have ${maxTokens ?? 1}, but after the document's ${before} only ${contextLength - before} of the model's ${contextLength} are left; ask a shorter question, or for a shorter answer (\`maxTokens\`)`,
    )
  return Math.min(maxTokens ?? defaultMaxTokens, room)
}
