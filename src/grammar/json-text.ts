/** The texts of JSON's own kinds: strings, numbers, and any value at all. One space may follow a colon and a comma. */
import { byteOf, choice, literal, optional, type Rule, reference, repeat, sequence } from './rule.ts'

const continuation = byteOf([0x80, 0xbf])

/** One character as it stands in a string: well-formed UTF-8, or an escape; no lone surrogate. */
const character: Rule = choice(
  byteOf([0x20, 0x21], [0x23, 0x5b], [0x5d, 0x7f]),
  sequence(byteOf([0xc2, 0xdf]), continuation),
  sequence(byteOf([0xe0, 0xe0]), byteOf([0xa0, 0xbf]), continuation),
  sequence(byteOf([0xe1, 0xec], [0xee, 0xef]), continuation, continuation),
  sequence(byteOf([0xed, 0xed]), byteOf([0x80, 0x9f]), continuation),
  sequence(byteOf([0xf0, 0xf0]), byteOf([0x90, 0xbf]), continuation, continuation),
  sequence(byteOf([0xf1, 0xf3]), continuation, continuation, continuation),
  sequence(byteOf([0xf4, 0xf4]), byteOf([0x80, 0x8f]), continuation, continuation),
  sequence(literal('\\'), byteOf(...[...'"\\/bfnrt'].map((text) => [text.charCodeAt(0), text.charCodeAt(0)] as const))),
)

const quote = literal('"')
export const comma: Rule = sequence(literal(','), optional(literal(' ')))
export const colon: Rule = sequence(literal(':'), optional(literal(' ')))

/** Length in characters (code points). */
export const stringText = (least: number = 0, most: number = Number.POSITIVE_INFINITY): Rule =>
  sequence(quote, repeat(character, least, most), quote)

const digit = byteOf([0x30, 0x39])
const mostDigits = 15 // so that every number is read back as it was written

/** A number without exponent, at most 15 digits before and behind the point. */
export const numberText = ({ isPositive = false }: { readonly isPositive?: boolean } = {}): Rule => {
  const whole = choice(literal('0'), sequence(byteOf([0x31, 0x39]), repeat(digit, 0, mostDigits - 1)))
  const fraction = sequence(literal('.'), repeat(digit, 1, mostDigits))
  return sequence(...(isPositive ? [] : [optional(literal('-'))]), whole, optional(fraction))
}

export const listText = (item: Rule, least: number = 0, most: number = Number.POSITIVE_INFINITY): Rule => {
  if (most === 0) return literal('[]')
  const rest = repeat(sequence(comma, item), Math.max(0, least - 1), most - 1)
  const full = sequence(literal('['), item, rest, literal(']'))
  return least === 0 ? choice(literal('[]'), full) : full
}

export const anyObject: Rule = reference(() => objectOfAny)
export const anyValue: Rule = reference(() => valueOfAny)
const member = sequence(stringText(), colon, anyValue)
const objectOfAny: Rule = choice(
  literal('{}'),
  sequence(literal('{'), member, repeat(sequence(comma, member), 0), literal('}')),
)
const valueOfAny: Rule = choice(
  literal('null'),
  literal('true'),
  literal('false'),
  stringText(),
  numberText(),
  listText(anyValue),
  anyObject,
)
