/**
 * ROUGE-L F as the Python package `rouge` 1.0.1 gives it, which LongBench, kvpress and KVzip report; not Google's
 * `rouge-score`, which stems words and counts them with repetition. Sentences end at full stops; words are counted once.
 */
import { best, type Metric, onFirstLine } from './metric.ts'

/** Words of each sentence, as they are: neither case nor other punctuation is touched. */
const sentencesOf = (text: string): string[][] =>
  text
    .split('.')
    .filter((sentence) => sentence !== '')
    .map((sentence) => sentence.trim().split(/\s+/))

/** lengths[i][j] = length of the longest common subsequence of a's first i and b's first j words. */
const commonLengths = (a: readonly string[], b: readonly string[]): number[][] => {
  const lengths = [new Array<number>(b.length + 1).fill(0)]
  for (const word of a) {
    const above = lengths.at(-1) ?? []
    const row = [0]
    for (const [j, other] of b.entries())
      row.push(word === other ? (above[j] ?? 0) + 1 : Math.max(above[j + 1] ?? 0, row[j] ?? 0))
    lengths.push(row)
  }
  return lengths
}

/** Words of one longest common subsequence: of several, the one the package picks when it walks back from the ends. */
const commonWords = (a: readonly string[], b: readonly string[]): string[] => {
  const lengths = commonLengths(a, b)
  const found: string[] = []
  let [i, j] = [a.length, b.length]
  while (i > 0 && j > 0) {
    const word = a[i - 1] ?? ''
    if (word === b[j - 1]) {
      found.push(word)
      i--
      j--
    } else if ((lengths[i - 1]?.[j] ?? 0) > (lengths[i]?.[j - 1] ?? 0)) i--
    else j--
  }
  return found
}

const rougeLOf = (answer: readonly (readonly string[])[], reference: readonly (readonly string[])[]): number => {
  if (answer.length === 0 || reference.length === 0) return 0
  const common = new Set<string>()
  for (const sentence of reference)
    for (const given of answer) for (const word of commonWords(sentence, given)) common.add(word)
  const precision = common.size / new Set(answer.flat()).size
  const recall = common.size / new Set(reference.flat()).size
  return (2 * precision * recall) / (precision + recall + 1e-8)
}

export const rougeL: Metric = {
  name: 'rouge-l',
  summary: 'F of the longest common subsequence of words (ROUGE-L of the `rouge` package; LongBench, KVzip)',
  score: (prediction, question) => {
    const sentences = sentencesOf(prediction)
    return best(question, (reference) => rougeLOf(sentences, sentencesOf(reference)))
  },
}

/** LongBench's samsum. */
export const rougeLFirstLine: Metric = onFirstLine(rougeL)
