/** Word F1 of an answer against its references, as SQuAD's evaluation defines it; not a judgement of meaning. */

/** Lower case, without punctuation and the articles a, an, the. */
const words = (text: string): string[] =>
  text
    .toLowerCase()
    .replace(/[!-/:-@[-`{-~]/g, '')
    .replace(/\b(a|an|the)\b/g, ' ')
    .split(/\s+/)
    .filter((word) => word !== '')

/** Harmonic mean of precision and recall over the words of both, counted with repetition. Two empty texts agree. */
const f1 = (answer: readonly string[], reference: readonly string[]): number => {
  if (answer.length === 0 || reference.length === 0) return answer.length === reference.length ? 1 : 0
  const left = [...reference]
  let common = 0
  for (const word of answer) {
    const at = left.indexOf(word)
    if (at < 0) continue
    left.splice(at, 1)
    common++
  }
  return (2 * common) / (answer.length + reference.length)
}

/** The best over all references. */
export const wordF1 = (answer: string, references: readonly string[]): number => {
  const given = words(answer)
  return Math.max(...references.map((reference) => f1(given, words(reference))))
}
