/** Damage that knows nothing of what bytes mean but where parts of the file begin: cuts, flips, copies, other lengths. */
import type { Chance } from './chance.ts'

export interface Marked {
  readonly bytes: Buffer
  /** Where something begins or ends. */
  readonly boundaries: readonly number[]
}

type ByteMutator = (file: Marked, chance: Chance) => { readonly bytes: Buffer; readonly what: string }

const near = ({ bytes, boundaries }: Marked, chance: Chance): number => {
  const at = boundaries.length > 0 && !chance.oneIn(4) ? chance.of(boundaries) : chance.below(bytes.length + 1)
  return Math.max(0, Math.min(bytes.length, at + chance.of([0, 0, 0, 1, -1, 3, -4, 7])))
}

const cut: ByteMutator = (file, chance) => {
  const at = near(file, chance)
  return { bytes: file.bytes.subarray(0, at), what: `cut at ${at}` }
}

const extend: ByteMutator = ({ bytes }, chance) => {
  const count = chance.of([1, 7, 32, 4096])
  return {
    bytes: Buffer.concat([bytes, chance.oneIn(2) ? Buffer.alloc(count) : chance.bytes(count)]),
    what: 'extended',
  }
}

const flip: ByteMutator = (file, chance) => {
  const bytes = Buffer.from(file.bytes)
  const count = 1 + chance.below(8)
  for (let done = 0; done < count && bytes.length > 0; done++) {
    const at = Math.min(bytes.length - 1, near(file, chance))
    bytes[at] = chance.oneIn(2) ? (bytes[at] as number) ^ (1 << chance.below(8)) : chance.of([0, 1, 0x7f, 0x80, 0xff])
  }
  return { bytes, what: `${count} bytes changed` }
}

const overwrite: ByteMutator = (file, chance) => {
  const bytes = Buffer.from(file.bytes)
  const [to, from, length] = [near(file, chance), near(file, chance), chance.of([4, 8, 16, 64, 1024])]
  if (chance.oneIn(2)) bytes.copy(bytes, to, from, from + length)
  else bytes.fill(chance.of([0, 0xff, 0x20]), to, Math.min(bytes.length, to + length))
  return { bytes, what: `${length} bytes overwritten at ${to}` }
}

const shift: ByteMutator = (file, chance) => {
  const at = near(file, chance)
  const piece = chance.oneIn(2) ? chance.bytes(1 + chance.below(9)) : Buffer.alloc(0)
  const skipped = piece.length > 0 ? 0 : 1 + chance.below(9)
  const bytes = Buffer.concat([file.bytes.subarray(0, at), piece, file.bytes.subarray(at + skipped)])
  return { bytes, what: `${piece.length} bytes put in, ${skipped} taken out at ${at}` }
}

export const byteMutators: readonly ByteMutator[] = [cut, cut, extend, flip, flip, flip, overwrite, shift]
