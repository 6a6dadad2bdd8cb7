/** What reading a damaged file may end in: done, or refused by one sentence that a person can use. Anything else is a failure. */
import { CompactorError } from '../../src/error.ts'

export type Outcome =
  | { readonly kind: 'accepted' }
  | { readonly kind: 'refused'; readonly code: string; readonly sentence: string }
  | { readonly kind: 'failed'; readonly why: string }

const longestSentence = 400

/** Why a message is no sentence for a person; undefined when it is one. */
export const faultOf = (message: string): string | undefined => {
  if (message.trim() === '') return 'is empty'
  if (message.length > longestSentence) return `has ${message.length} characters`
  if (/\n\s+at /.test(message)) return 'holds a stack'
  // Controls, marks that turn the direction of writing, line separators, halves of surrogate pairs.
  if (/[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]|\p{Cs}/u.test(message)) return 'holds control characters'
  // What a file says stands in quotation marks.
  const word = /\bundefined\b|\bNaN\b|\[object |\bInfinity\b|=>|\bCannot read prop/.exec(
    message.replace(/"(?:[^"\\]|\\.)*"/g, ''),
  )?.[0]
  if (word !== undefined) return `says ${word}`
  return /[\s]$/.test(message) ? 'ends in white space' : undefined
}

/** Runs a trial. Only CompactorError refuses: a file is no mistake of the caller's. */
export const judge = async (trial: () => Promise<void>): Promise<Outcome> => {
  try {
    await trial()
    return { kind: 'accepted' }
  } catch (error) {
    if (!(error instanceof CompactorError)) return { kind: 'failed', why: describe(error) }
    const fault = faultOf(error.message)
    if (fault !== undefined)
      return { kind: 'failed', why: `the sentence ${fault}: ${JSON.stringify(error.message.slice(0, 300))}` }
    return { kind: 'refused', code: error.code, sentence: error.message }
  }
}

const describe = (error: unknown): string => {
  if (!(error instanceof Error)) return `threw ${typeof error}`
  const places = (error.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line))
  const own = places.filter((line) => !line.includes('node:')).slice(0, 3)
  return `${error.name}: ${error.message.slice(0, 200)} ${own.map((line) => line.trim().replace(/\(?file:.*?\/src\//, '(src/')).join(' ')}`
}

/** A sentence without its numbers and names, so that those of one kind can be counted. */
export const shapeOf = (sentence: string): string =>
  sentence
    .replace(/"(?:[^"\\]|\\.)*"/g, '"…"')
    .replace(/\b(blk|token_embd|output|output_norm)\.[\w.]+/g, 'TENSOR')
    .replace(/-?\d[\d.]*(e[+-]?\d+)?/g, '0')
    .replace(/\[(0,?)+\]/g, '[0]')
