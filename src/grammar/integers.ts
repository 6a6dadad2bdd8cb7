/** Whole numbers between two bounds as decimal text, without leading zeros. */
import { byteOf, choice, literal, type Rule, repeat, sequence } from './rule.ts'

const zero = 0x30
const digitBetween = (low: number, high: number): Rule => byteOf([zero + low, zero + high])
const anyDigit = digitBetween(0, 9)

/** From `low` to `high`, both safe integers with low ≤ high. */
export const integersBetween = (low: number, high: number): Rule => {
  const options: Rule[] = []
  if (low < 0) options.push(sequence(literal('-'), magnitudes(Math.max(1, -high), -low)))
  if (high >= 0) options.push(magnitudes(Math.max(0, low), high))
  return options.length === 1 && options[0] ? options[0] : choice(...options)
}

/** 0 ≤ low ≤ high: the numbers of each length for themselves. */
const magnitudes = (low: number, high: number): Rule => {
  const [shortest, longest] = [String(low).length, String(high).length]
  const options = Array.from({ length: longest - shortest + 1 }, (_, i) => {
    const length = shortest + i
    const first = length === shortest ? String(low) : `1${'0'.repeat(length - 1)}`
    const last = length === longest ? String(high) : '9'.repeat(length)
    return between(first, last)
  })
  return options.length === 1 && options[0] ? options[0] : choice(...options)
}

/** All texts of digits from `first` to `last`, of one length. */
const between = (first: string, last: string): Rule => {
  if (first === last) return literal(first)
  const [a, b] = [Number(first[0]), Number(last[0])]
  const [restOfFirst, restOfLast] = [first.slice(1), last.slice(1)]
  if (restOfFirst === '') return digitBetween(a, b)
  if (a === b) return sequence(digitBetween(a, a), between(restOfFirst, restOfLast))
  const { length } = restOfFirst
  const [lowest, highest] = ['0'.repeat(length), '9'.repeat(length)]
  const isWhole = [restOfFirst === lowest, restOfLast === highest] as const
  const options: Rule[] = []
  if (!isWhole[0]) options.push(sequence(digitBetween(a, a), between(restOfFirst, highest)))
  const [from, to] = [isWhole[0] ? a : a + 1, isWhole[1] ? b : b - 1]
  if (from <= to) options.push(sequence(digitBetween(from, to), repeat(anyDigit, length, length)))
  if (!isWhole[1]) options.push(sequence(digitBetween(b, b), between(lowest, restOfLast)))
  return options.length === 1 && options[0] ? options[0] : choice(...options)
}
