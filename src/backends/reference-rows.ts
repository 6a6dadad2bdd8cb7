/** The reference's ops on rows of logits: softmax, argmax, and the figures that comparing distributions needs. */
import { type Ops, rowFigures } from './ops.ts'
import { numbers, softmax, type Workplace } from './reference-values.ts'
import { checkArgmax, checkDescribeRows, checkSoftmax } from './scoring-checks.ts'

export const referenceRows = ({ pool, pause }: Workplace): Pick<Ops, 'softmax' | 'argmax' | 'describeRows'> => ({
  softmax(x) {
    const { n, width } = checkSoftmax(x)
    const out = pool.take([n, width], 'f32')
    const values = numbers(x)
    for (let row = 0; row < n; row++) {
      pause()
      out.data.set(softmax([...values.subarray(row * width, (row + 1) * width)]), row * width)
    }
    return out
  },

  argmax(x) {
    const { n, width } = checkArgmax(x)
    const out = pool.take([n], 'f32')
    const values = numbers(x)
    for (let row = 0; row < n; row++) {
      pause()
      out.data[row] = indexOfLargest(values.subarray(row * width, (row + 1) * width))
    }
    return out
  },

  describeRows(x, weights, picks) {
    const { n, width, period } = checkDescribeRows(x, weights, picks)
    const out = pool.take([n, rowFigures], 'f32')
    const [values, factors] = [numbers(x), numbers(weights)]
    for (let row = 0; row < n; row++) {
      pause()
      const logits = values.subarray(row * width, (row + 1) * width)
      const kind = row % period
      let sum = 0
      for (const [j, logit] of logits.entries()) {
        const factor = factors[kind * width + j] as number
        if (factor !== 0) sum += factor * logit
      }
      const figures = [logSumExp(logits), indexOfLargest(logits), sum, logits[picks[kind] ?? 0] as number]
      out.data.set(figures, row * rowFigures)
    }
    return out
  },
})

/** −∞ if every logit is −∞; NaN or +∞ anywhere gives NaN. */
const logSumExp = (logits: Float32Array): number => {
  let largest = Number.NEGATIVE_INFINITY
  for (const logit of logits) largest = Math.max(largest, logit)
  if (largest === Number.NEGATIVE_INFINITY) return largest
  let sum = 0
  for (const logit of logits) sum += Math.exp(logit - largest)
  return largest + Math.log(sum)
}

const indexOfLargest = (logits: Float32Array): number => {
  let [index, largest] = [0, Number.NEGATIVE_INFINITY]
  for (const [j, logit] of logits.entries()) if (logit > largest) [index, largest] = [j, logit]
  return index
}
