/**
 * A text held against a rule byte by byte, in every way it can be read at once. A state is a value: it can be advanced by
 * one token's bytes, found wanting, and advanced by another's. Each way is a stack of what is still to come, shared with
 * the stacks of other states.
 */
import { leastBytes, type Rule } from './rule.ts'

/** A rule that has begun: `at` items, bytes or rounds of it are done. Then comes `next`, or the end. */
interface Frame {
  readonly rule: Rule
  readonly at: number
  readonly next: Frame | undefined
  readonly least: number // bytes from here to the end, at the fewest
}

export interface State {
  /** Ways that take one more byte: each frame is a literal or a byte. */
  readonly ways: readonly Frame[]
  /** The text may end here. */
  readonly isComplete: boolean
}

export class Matcher {
  readonly start: State
  readonly #least: ReadonlyMap<Rule, number>

  /** Throws RangeError for a rule of which no text has an end. */
  constructor(rule: Rule) {
    this.#least = leastBytes(rule)
    if (!Number.isFinite(this.#leastOf(rule))) throw new RangeError('the rule allows no text that ends')
    this.start = this.#stateOf([this.#frame(rule, 0, undefined)])
  }

  /** The state after more bytes; undefined if no text of the rule goes on with them. */
  advance(state: State, bytes: Uint8Array): State | undefined {
    let now: State = state
    for (const byte of bytes) {
      const next = this.#step(now, byte)
      if (!next) return undefined
      now = next
    }
    return now
  }

  /** The fewest bytes with which the text can be ended. */
  bytesLeft({ ways, isComplete }: State): number {
    return isComplete ? 0 : ways.reduce((least, frame) => Math.min(least, frame.least), Number.POSITIVE_INFINITY)
  }

  /** The bytes that must come next, up to where there is a choice or the text may end; none where there is one at once. */
  forced(state: State): Uint8Array {
    const bytes: number[] = []
    for (let now: State | undefined = state; now && !now.isComplete && bytes.length < mostForced; ) {
      const byte = onlyByte(now)
      if (byte === undefined) break
      bytes.push(byte)
      now = this.#step(now, byte)
    }
    return Uint8Array.from(bytes)
  }

  #step({ ways }: State, byte: number): State | undefined {
    const after: (Frame | undefined)[] = []
    for (const frame of ways) {
      const { rule, at, next } = frame
      if (rule.kind === 'byte' && rule.has[byte] === 1) after.push(next)
      else if (rule.kind === 'literal' && rule.bytes[at] === byte)
        after.push(at + 1 < rule.bytes.length ? this.#frame(rule, at + 1, next) : next)
    }
    return after.length === 0 ? undefined : this.#stateOf(after)
  }

  #stateOf(frames: readonly (Frame | undefined)[]): State {
    const ways: Frame[] = []
    let isComplete = false
    const open = [...frames]
    while (open.length > 0) {
      const frame = open.pop()
      if (!frame) isComplete = true
      else if (frame.rule.kind === 'byte' || frame.rule.kind === 'literal') {
        if (!ways.some((way) => isSame(way, frame))) ways.push(frame)
      } else open.push(...this.#inside(frame))
    }
    return { ways, isComplete }
  }

  /** What stands at the beginning of a frame that is neither byte nor literal. */
  #inside({ rule, at, next }: Frame): (Frame | undefined)[] {
    switch (rule.kind) {
      case 'sequence': {
        const item = rule.items[at]
        if (!item) return [next]
        return [this.#frame(item, 0, at + 1 < rule.items.length ? this.#frame(rule, at + 1, next) : next)]
      }
      case 'choice':
        return rule.options.map((option) => this.#frame(option, 0, next))
      case 'repeat': {
        const again = at < rule.most ? [this.#frame(rule.item, 0, this.#frame(rule, at + 1, next))] : []
        return at >= rule.least ? [...again, next] : again
      }
      case 'reference':
        return [this.#frame(rule.target(), 0, next)]
      default:
        throw new TypeError(`a ${rule.kind} has nothing inside`)
    }
  }

  #frame(rule: Rule, at: number, next: Frame | undefined): Frame {
    return { rule, at, next, least: this.#leastFrom(rule, at) + (next?.least ?? 0) }
  }

  #leastFrom(rule: Rule, at: number): number {
    switch (rule.kind) {
      case 'literal':
        return rule.bytes.length - at
      case 'sequence':
        return rule.items.slice(at).reduce((sum, item) => sum + this.#leastOf(item), 0)
      case 'repeat':
        return at >= rule.least ? 0 : (rule.least - at) * this.#leastOf(rule.item)
      default:
        return this.#leastOf(rule)
    }
  }

  #leastOf(rule: Rule): number {
    return this.#least.get(rule) ?? Number.POSITIVE_INFINITY
  }
}

/** Longer runs are taken in parts. */
const mostForced = 4096

const onlyByte = ({ ways }: State): number | undefined => {
  let only: number | undefined
  for (const { rule, at } of ways) {
    const byte = rule.kind === 'literal' ? rule.bytes[at] : rule.kind === 'byte' ? singleOf(rule.has) : undefined
    if (byte === undefined || (only !== undefined && byte !== only)) return undefined
    only = byte
  }
  return only
}

const singleOf = (has: Uint8Array): number | undefined => {
  const first = has.indexOf(1)
  return first >= 0 && has.indexOf(1, first + 1) < 0 ? first : undefined
}

/** Stacks are mostly shared, so that looking a little way down tells the same from others; a way held twice does no harm. */
const isSame = (a: Frame, b: Frame, depth = 8): boolean =>
  a === b ||
  (depth > 0 &&
    a.rule === b.rule &&
    a.at === b.at &&
    (a.next === b.next || (a.next !== undefined && b.next !== undefined && isSame(a.next, b.next, depth - 1))))
