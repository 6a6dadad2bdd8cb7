/**
 * Tensors of the two CPU backends: a typed array and a shape. Also the pool behind `scope`, so that a pass over a long
 * document reuses a few buffers instead of leaving gigabytes to the garbage collector. Not used above `backends/`.
 */
import type { Ops, Precision, Tensor, Weight, WeightType } from './ops.ts'

export interface CpuTensor extends Tensor {
  readonly data: Float32Array | Uint16Array
}

export interface CpuWeight extends Weight {
  readonly bytes: Uint8Array
}

/** [values, bytes] of one block of each type. */
export const blockLayout: Record<WeightType, { readonly values: number; readonly bytes: number }> = {
  F32: { values: 1, bytes: 4 },
  F16: { values: 1, bytes: 2 },
  Q4_0: { values: 32, bytes: 18 },
  Q4_1: { values: 32, bytes: 20 },
  Q5_0: { values: 32, bytes: 22 },
  Q5_1: { values: 32, bytes: 24 },
  Q8_0: { values: 32, bytes: 34 },
  Q4_K: { values: 256, bytes: 144 },
  Q5_K: { values: 256, bytes: 176 },
  Q6_K: { values: 256, bytes: 210 },
  BF16: { values: 1, bytes: 2 },
}

export const elementCount = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1)

export const cpu = (tensor: Tensor): CpuTensor => tensor as CpuTensor

/** The f32 values behind a tensor; ops that take f32 only say so. */
export const f32 = (tensor: Tensor): Float32Array => {
  const { data } = tensor as CpuTensor
  if (!(data instanceof Float32Array))
    throw new TypeError(`expected an f32 tensor, got ${tensor.dtype} [${tensor.shape}]`)
  return data
}

export const cpuTensor = (data: Float32Array | Uint16Array, shape: readonly number[]): CpuTensor => {
  if (data.length !== elementCount(shape))
    throw new RangeError(`a tensor of shape [${shape}] has ${elementCount(shape)} values, got ${data.length}`)
  return { shape, dtype: data instanceof Float32Array ? 'f32' : 'f16', data }
}

export const cpuWeight = (type: WeightType, shape: readonly [number, number], bytes: Uint8Array): CpuWeight => {
  const { values, bytes: blockBytes } = blockLayout[type]
  const expected = (shape[0] * shape[1] * blockBytes) / values
  if (shape[1] % values !== 0)
    throw new RangeError(`a ${type} row must hold a multiple of ${values} values, got ${shape[1]}`)
  if (bytes.length !== expected)
    throw new RangeError(`a ${type} matrix [${shape}] has ${expected} bytes, got ${bytes.length}`)
  return { type, shape, bytes }
}

export const slice = (tensor: Tensor, start: number, count: number): CpuTensor => {
  const { data, shape } = cpu(tensor)
  const [rows = 0, ...rest] = shape
  if (start === 0 && count === rows) return cpu(tensor)
  if (start < 0 || count < 0 || start + count > rows)
    throw new RangeError(`rows ${start} to ${start + count} asked of a tensor of ${rows} rows`)
  const width = elementCount(rest)
  return cpuTensor(data.subarray(start * width, (start + count) * width), [count, ...rest])
}

export const reshape = (tensor: Tensor, shape: readonly number[]): CpuTensor => cpuTensor(cpu(tensor).data, shape)

/** Recycled buffers by size class. Values of a recycled buffer are undefined, `zeros` clears them. */
export class TensorPool {
  readonly #free = new Map<number, ArrayBuffer[]>()
  readonly #open: ArrayBuffer[][] = []

  /** Run `body`; buffers taken inside return to the pool when it ends. Scopes nest. */
  scope<T>(body: () => T): T {
    const taken: ArrayBuffer[] = []
    this.#open.push(taken)
    try {
      return body()
    } finally {
      this.#open.pop()
      for (const buffer of taken) this.#release(buffer)
    }
  }

  /** An uninitialised tensor; outside any scope a fresh one that the garbage collector owns. */
  take(shape: readonly number[], dtype: Precision): CpuTensor {
    const count = elementCount(shape)
    const bytes = sizeClass(count * (dtype === 'f32' ? 4 : 2))
    const scope = this.#open.at(-1)
    const buffer =
      (scope && this.#free.get(bytes)?.pop()) ?? new ArrayBuffer(scope ? bytes : count * (dtype === 'f32' ? 4 : 2))
    scope?.push(buffer)
    return cpuTensor(dtype === 'f32' ? new Float32Array(buffer, 0, count) : new Uint16Array(buffer, 0, count), shape)
  }

  zeros(shape: readonly number[], dtype: Precision): CpuTensor {
    const tensor = this.take(shape, dtype)
    tensor.data.fill(0)
    return tensor
  }

  /** Give every idle buffer back to the system. */
  clear(): void {
    this.#free.clear()
  }

  #release(buffer: ArrayBuffer): void {
    const idle = this.#free.get(buffer.byteLength)
    if (idle) idle.push(buffer)
    else this.#free.set(buffer.byteLength, [buffer])
  }
}

// Steps of an eighth of a power of two: at most 12.5 % is lost and nearby shapes share buffers.
const sizeClass = (bytes: number): number => {
  if (bytes <= 256) return 256
  const step = bytes < 2 ** 32 ? 1 << (28 - Math.clz32(bytes)) : 2 ** (Math.floor(Math.log2(bytes)) - 3)
  return Math.ceil(bytes / step) * step
}

/** What both CPU backends have beside the ops. */
export interface CpuOps extends Ops {
  /** Long ops look at word 0 while they run and throw CompactorError('aborted') once it is not 0. */
  watchAbort(words: Int32Array | undefined): void
  dispose(): void
}
