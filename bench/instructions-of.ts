/** One kernel, once, for `instructions.ts` to count: a stand-alone process, `node --import tsx instructions-of.ts KERNEL`. */
import { createNativeOps } from '../src/backends/native.ts'
import type { Ops } from '../src/backends/ops.ts'

/** The same on every machine and in every run. */
const numbers = (count: number): Float32Array =>
  Float32Array.from({ length: count }, (_, i) => ((i * 2_654_435_761) % 1000) / 1000 - 0.5)

const halves = (ops: Ops, rows: number, width: number) => {
  const tensor = ops.zeros([rows, width], 'f16')
  ops.copy(tensor, ops.from(numbers(rows * width), [rows, width]))
  return tensor
}

const kernels: Readonly<Record<string, (ops: Ops) => void>> = {
  /** 64 queries of 14 heads over 1,024 keys of 2 KV heads of 64. */
  attend: (ops) => {
    const [k, v] = [halves(ops, 2048, 64), halves(ops, 2048, 64)]
    const segment = { k, v, starts: Uint32Array.of(0, 1024), counts: Uint32Array.of(1024, 1024) }
    ops.attend(ops.from(numbers(64 * 14 * 64), [64, 14, 64]), [segment], { scale: 0.125, firstIndex: 0 })
  },
  /** 256 tokens of 1,024 with 256 rows of Q4_K, whose bytes are any but a finite scale. */
  panel: (ops) => {
    const [rows, columns, blockBytes] = [256, 1024, 144]
    const bytes = Uint8Array.from({ length: ((rows * columns) / 256) * blockBytes }, (_, i) => {
      const at = i % blockBytes
      return at === 1 || at === 3 ? 0x2c : (i * 97) % 251
    })
    ops.matmul(ops.from(numbers(256 * columns), [256, columns]), ops.weight('Q4_K', [rows, columns], bytes))
  },
}

const kernel = kernels[process.argv[2] ?? '']
if (!kernel) throw new Error(`instructions-of: expected ${Object.keys(kernels).join(' or ')}, got ${process.argv[2]}`)
const ops = createNativeOps({ threads: 1, isa: 'avx2', activations: 'int8' })
ops.scope(() => kernel(ops))
ops.dispose()
