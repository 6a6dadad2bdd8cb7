/** Seeded choices: a seed and an index name one damaged file for ever, on any machine. */
import { toyRandom } from '../fixtures/toy-context.ts'

export class Chance {
  readonly #next: () => number

  constructor(seed: number, index: number) {
    this.#next = toyRandom(Math.imul(seed, 0x9e3779b1) ^ Math.imul(index + 1, 0x85ebca6b))
  }

  /** A whole number from 0 to count − 1. */
  below(count: number): number {
    return Math.floor(this.#next() * count)
  }

  of<T>(list: readonly T[]): T {
    if (list.length === 0) throw new RangeError('a choice needs something to choose from')
    return list[this.below(list.length)] as T
  }

  /** True in one of `count` cases. */
  oneIn(count: number): boolean {
    return this.below(count) === 0
  }

  bytes(count: number): Buffer {
    return Buffer.from(Array.from({ length: count }, () => this.below(256)))
  }

  /** A number where things break: powers of two and their neighbours, what does not fit 31, 32, 53, 63 bits. */
  edge(around = 0n): bigint {
    const power = 1n << BigInt(this.of([0, 1, 2, 3, 5, 6, 8, 10, 12, 16, 20, 24, 28, 31, 32, 33, 40, 53, 62, 63]))
    const value = this.of([
      0n,
      power,
      power - 1n,
      power + 1n,
      around + 1n,
      around - 1n,
      around * 2n,
      around / 2n,
      -1n,
      -2n,
      -power,
    ])
    return BigInt.asUintN(64, value)
  }

  /** Text as nobody writes it: empty, long, no UTF-8, with bytes that a terminal obeys. */
  text(): Buffer {
    const texts = [
      Buffer.alloc(0),
      Buffer.from('x'.repeat(this.of([1, 255, 5000, 70_000]))),
      Buffer.from(
        this.of(['\u001b[31mred\u0007', 'a\nb\r\n', '\0', '\u202egnp.exe', '\ufeffx', '\u0085\u2028', '👩‍👩‍👧']),
      ),
      Buffer.from(this.of(['__proto__', 'constructor', 'toString', 'hasOwnProperty', '../../x', '%s%n', '24', '-1'])),
      Buffer.from([0xff, 0xfe, 0xc0, 0x80]),
      Buffer.from([0xed, 0xa0, 0x80]), // half a surrogate pair
      this.bytes(1 + this.below(12)),
    ]
    return this.of(texts)
  }
}

/** What a mutator did, in a few words; undefined where the file has nothing for it. */
export type Mutator<T> = (parts: T, chance: Chance) => string | undefined

/** Applies up to `most` mutators, at least one. → what they did */
export const mutate = <T>(
  parts: T,
  mutators: readonly Mutator<T>[],
  { chance, most }: { readonly chance: Chance; readonly most: number },
): string[] => {
  const done: string[] = []
  const wanted = chance.oneIn(2) ? 1 : 1 + chance.below(most)
  for (let tries = 0; done.length < wanted && tries < 8 * most; tries++) {
    const what = chance.of(mutators)(parts, chance)
    if (what !== undefined) done.push(what)
  }
  return done
}
